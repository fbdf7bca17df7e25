"""The bookkeeper's hands: changes in the sandbox ledger by its REST API, as a person at its screens makes them."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

USER, PASSWORD, WORD = "demo", "demo-password", "lighthouse"
NOMINAL = 100
"""Under which the sandbox's goods are sold."""


class Ledger:
    def __init__(self, url: str) -> None:
        self._url = url
        self._token = ""

    def stock_set(self, code: str, quantity: int) -> None:
        self._call("PUT", f"/products/{NOMINAL}/{code}", {"QuantityInStock": quantity})

    def price_set(self, code: str, price: str) -> None:
        self._call("PUT", f"/products/{NOMINAL}/{code}", {"Price": price})

    def customer_add(self, code: str, email: str, name: str) -> None:
        contact = {"Email": email, "Firstname": name.split()[0], "LastName": name.split()[-1], "Name": name}
        self._call("POST", "/customers", {"Code": code, "Name": name, "Contacts": [contact]})

    def _call(self, method: str, path: str, body: Any) -> Any:
        if not self._token:
            self._sign_in()
        return self._send(method, path, body)

    def _sign_in(self) -> None:
        begun = self._send("POST", "/sessiontoken", {"UserName": USER, "Password": PASSWORD})
        asked = [
            {"Position": row["Position"], "Value": WORD[row["Position"] - 1].upper()}
            for row in begun["MemorableWordList"]
        ]
        body = {"TemporaryToken": begun["TemporaryToken"], "MemorableWordList": asked}
        self._token = self._send("PUT", "/sessiontoken", body)["SessionToken"]

    def _send(self, method: str, path: str, body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"KfToken {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/v2{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=15) as reply:
            text = reply.read()
        return json.loads(text) if text else None
