"""Plain calls to the stand-ins' control interface. Not the product's HTTP door: the demo is a bystander."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any


def call(method: str, url: str, body: Any = None, *, timeout: float = 30.0) -> Any:
    """JSON in, JSON out. :raises RuntimeError: refused, with what was answered."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            text = reply.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {url} answered {error.code}: {error.read()[:500]!r}") from error
    return json.loads(text) if text else None


def wait_until_answers(url: str, *, seconds: float) -> None:
    """:raises TimeoutError: nobody listens there in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # somebody listens
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing answers at {url} after {seconds:.0f} s") from None
            time.sleep(0.1)
