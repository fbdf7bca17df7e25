"""A small SOAP and REST client for these tests, written without the stand-in's own code."""

from xml.sax.saxutils import escape

import httpx
from lxml import etree

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
K = "{KashFlow}"


def xml(**members):
    """Members as XML; a mapping nests, a list of mappings becomes untyped invoice or journal lines."""
    return "".join(f"<{name}>{_value(value)}</{name}>" for name, value in members.items())


def _value(value):
    if isinstance(value, dict):
        return xml(**value)
    return value if isinstance(value, Raw) else escape(str(value))


class Raw(str):
    """XML to be put in as it is."""


def lines(*rows, kind="InvoiceLine"):
    return Raw("".join(f'<anyType xsi:type="{kind}">{xml(**row)}</anyType>' for row in rows))


def tree(element):
    """Nested values of an element: text, a dict, or a list where children repeat or are array members."""
    children = list(element)
    if not children:
        return None if element.get(f"{{{XSI}}}nil") == "true" else element.text or ""
    names = [etree.QName(child).localname for child in children]
    if names[0] == "anyType" or len(set(names)) < len(names) or len(names) == 1:
        return [tree(child) for child in children]
    return dict(zip(names, map(tree, children), strict=True))


class Answer:
    def __init__(self, response, operation):
        self.response = response
        body = etree.fromstring(response.content)[0][0]
        self.fault = body.findtext(".//faultstring") if etree.QName(body).localname == "Fault" else None
        self.status = body.findtext(f"{K}Status")
        self.detail = body.findtext(f"{K}StatusDetail")
        found = body.find(f"{K}{operation}Result")
        self.result = None if found is None else tree(found)
        self.result_element = found

    @property
    def ok(self):
        assert self.status == "OK", self.detail or self.fault
        return self.result


class Client:
    """``soap("GetInvoice", InvoiceNumber=1)`` and ``rest("GET", "/invoices")`` as one user."""

    def __init__(self, url, user="demo", password="demo-password", word="lighthouse"):
        self.url, self.user, self.password, self.word = url, user, password, word
        self.http = httpx.Client(base_url=url, timeout=10, trust_env=False)
        self.token = None

    def soap(self, operation, body=None, **members):
        inner = xml(UserName=self.user, Password=self.password) + (body if body is not None else xml(**members))
        return self.post(f'<{operation} xmlns="KashFlow">{inner}</{operation}>', operation)

    def post(self, body, operation="", *, namespace=SOAP11, headers=None):
        envelope = f'<s:Envelope xmlns:s="{namespace}" xmlns:xsi="{XSI}"><s:Body>{body}</s:Body></s:Envelope>'
        return Answer(self.send(envelope, headers), operation)

    def send(self, text, headers=None):
        headers = headers if headers is not None else {"Content-Type": "text/xml; charset=utf-8"}
        return self.http.post("/api/service.asmx", content=text.encode(), headers=headers)

    def sign_in(self):
        begun = self.http.post("/v2/sessiontoken", json={"UserName": self.user, "Password": self.password}).json()
        asked = [
            {"Position": entry["Position"], "Value": self.word[entry["Position"] - 1].upper()}
            for entry in begun["MemorableWordList"]
        ]
        body = {"TemporaryToken": begun["TemporaryToken"], "MemorableWordList": asked}
        self.token = self.http.put("/v2/sessiontoken", json=body).json()["SessionToken"]
        return self.token

    def rest(self, method, path, **more):
        if self.token is None:
            self.sign_in()
        headers = {"Authorization": f"KfToken {self.token}"}
        address = path if path.startswith("http") else f"/v2{path}"
        return self.http.request(method, address, headers=headers, **more)

    # Control

    def settings(self, **changes):
        self.http.patch("/control/settings", json=changes).raise_for_status()

    def faults(self, *rules):
        self.http.put("/control/faults", json=list(rules)).raise_for_status()

    def calls(self):
        return self.http.get("/control/calls").json()

    def state(self):
        return self.http.get("/control/state").json()["accounts"][self.user]

    # Shortcuts for what most tests need

    def nominal(self, code=100):
        return next(row["id"] for row in self.state()["nominals"] if row["code"] == code)

    def product(self, code="SKU-001"):
        return next(row for row in self.state()["products"] if row["code"] == code)

    def method(self, name="Card"):
        return next(row["method_id"] for row in self.state()["payment_methods"] if row["method_name"] == name)

    def bank(self, name="Current"):
        return next(row["account_id"] for row in self.state()["bank_accounts"] if row["account_name"] == name)

    def customer(self, **members):
        return int(self.soap("InsertCustomer", custr={"Name": "Jo Example", **members}).ok)

    def line(self, quantity="1", rate="10.00", vat="2.00", **members):
        given = {"Quantity": quantity, "Description": "Blue mug", "Rate": rate, "ChargeType": self.nominal()}
        return {**given, "VatRate": "20", "VatAmount": vat, **members}

    def invoice(self, *rows, customer=None, **members):
        given = {"InvoiceNumber": 0, "InvoiceDate": "2026-03-04T00:00:00", "DueDate": "2026-03-04T00:00:00"}
        given |= {"CustomerID": customer or self.customer(), "CustomerReference": "SHOP-1001", **members}
        given["Lines"] = lines(*(rows or (self.line(),)))
        return int(self.soap("InsertInvoice", Inv=given).ok)

    def get(self, number):
        return self.soap("GetInvoice", InvoiceNumber=number).ok

    def pay(self, number, amount, **members):
        given = {"PayInvoice": number, "PayDate": "2026-03-04T00:00:00", "PayNote": "SHOP-1001"}
        given |= {"PayMethod": self.method(), "PayAccount": self.bank(), "PayAmount": amount, **members}
        return self.soap("InsertInvoicePayment", InvoicePayment=given)
