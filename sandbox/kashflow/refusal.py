"""How an account says no. SOAP turns it into ``Status=NO``, REST into a 400 (or ``http_status``)."""


class Refused(Exception):
    """``text`` is what the caller reads; ``code`` is the ``Error`` member on REST."""

    def __init__(self, text: str, *, code: str = "InvalidRequest", http_status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.http_status = http_status


def invented(text: str, *, code: str = "InvalidRequest", http_status: int = 400) -> Refused:
    """A refusal whose real wording is not known; the mark keeps anybody from matching on it."""
    return Refused(f"{text} [stand-in wording]", code=code, http_status=http_status)
