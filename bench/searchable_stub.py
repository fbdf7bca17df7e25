"""The reference's stub with one more route: ``GET /acc/invoices?order_id=…``, to look for a write that crashed.

usage: searchable_stub.py [port] [latency_ms]
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

SOURCE = (Path(__file__).parent / "reference" / "stub.py").read_text()
SEARCH = b"/acc/invoices?order_id="


def extended(handle: Any, invoices: dict[str, int], resp: Any) -> Any:
    def handle_or_search(method: bytes, path: bytes, body: bytes) -> tuple[bytes, bool]:
        if method == b"GET" and path.startswith(SEARCH):
            order = unquote(path[len(SEARCH) :].decode())
            items = [{"id": f"inv-{order}", "number": "R-1"}] if order in invoices else []
            return resp(json.dumps({"items": items}).encode()), True
        return handle(method, path, body)

    return handle_or_search


if __name__ == "__main__":
    served, start = SOURCE.split("loop = uvloop.new_event_loop()")
    stub: dict[str, Any] = {"__name__": "stub"}
    exec(compile(served, "stub.py", "exec"), stub)  # the reference is a script: it serves as soon as it is imported
    stub["handle"] = extended(stub["handle"], stub["invoices"], stub["resp"])
    exec(compile("loop = uvloop.new_event_loop()" + start, "stub.py", "exec"), stub)
