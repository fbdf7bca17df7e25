"""``CAUSEWAY_EMAIL_URL``: each form, and one mail through a mail server."""

import socket
import threading
from pathlib import Path

import pytest
from django.core.mail import EmailMessage, get_connection

from config.mail import mail_settings

VAR = Path("/srv/causeway/var")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", {"EMAIL_FILE_PATH": "/srv/causeway/var/mail"}),
        ("file:///srv/out%20box", {"EMAIL_FILE_PATH": "/srv/out box"}),
        ("smtp://localhost", {"EMAIL_HOST": "localhost", "EMAIL_PORT": 25, "EMAIL_USE_TLS": False}),
        (
            "smtp://us%40er:p%3Aw@mail.example:587?tls=true",
            {"EMAIL_HOST_USER": "us@er", "EMAIL_HOST_PASSWORD": "p:w", "EMAIL_PORT": 587, "EMAIL_USE_TLS": True,
             "EMAIL_USE_SSL": False},
        ),
        ("smtps://user:pw@mail.example", {"EMAIL_PORT": 465, "EMAIL_USE_SSL": True, "EMAIL_USE_TLS": False}),
    ],
)  # fmt: skip
def test_each_form(url, expected):
    made = mail_settings(url, VAR)
    assert {name: made[name] for name in expected} == expected


def test_console():
    assert mail_settings("console:", VAR)["EMAIL_BACKEND"].endswith("console.EmailBackend")


@pytest.mark.parametrize("url", ["http://mail.example", "mail.example", "smtp://", "smtps:///x"])
def test_what_is_none_is_refused_at_start(url):
    with pytest.raises(ValueError, match="CAUSEWAY_EMAIL_URL"):
        mail_settings(url, VAR)


class MailServer(threading.Thread):
    """Takes one mail, as SMTP has it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port, self.said, self.mail = self.listening.getsockname()[1], [], ""

    def run(self):
        connection, _ = self.listening.accept()
        with connection, connection.makefile("rwb") as talk:
            self._answer(talk, "220 here")
            for line in talk:
                word = line.decode().strip().upper()
                self.said.append(word)
                if word == "DATA":
                    self._answer(talk, "354 go on")
                    self.mail = b"".join(iter(talk.readline, b".\r\n")).decode()
                self._answer(talk, "221 bye" if word == "QUIT" else "250 fine")
                if word == "QUIT":
                    return

    def _answer(self, talk, text):
        talk.write(f"{text}\r\n".encode())
        talk.flush()


def test_a_mail_goes_through_a_mail_server(settings):
    server = MailServer()
    server.start()
    for name, value in mail_settings(f"smtp://127.0.0.1:{server.port}", VAR).items():
        setattr(settings, name, value)
    message = EmailMessage("3 wait", "What to do: look.", "alerts@example.com", ["owner@example.com"])
    with get_connection(settings.EMAIL_BACKEND) as opened:
        assert opened.send_messages([message]) == 1
    server.join(10)
    server.listening.close()
    assert any("RCPT TO:<OWNER@EXAMPLE.COM>" in word for word in server.said) and "What to do: look." in server.mail


def test_a_mail_is_written_into_a_file(settings, tmp_path):
    for name, value in mail_settings(tmp_path.as_uri(), VAR).items():
        setattr(settings, name, value)
    with get_connection(settings.EMAIL_BACKEND) as opened:
        opened.send_messages([EmailMessage("s", "Body.", "a@example.com", ["b@example.com"])])
    (written,) = tmp_path.iterdir()
    assert "Body." in written.read_text()
