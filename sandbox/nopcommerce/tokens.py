"""Signed tokens of families A and C: JSON Web Tokens with HMAC-SHA256, made by hand so that nothing is shared."""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any


class BadToken(ValueError):
    """Not ours, changed, or over."""


def sign(claims: dict[str, Any], secret: str) -> str:
    """``claims`` holds ``exp`` in epoch seconds."""
    head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = _encode(json.dumps(claims, separators=(",", ":")).encode())
    return f"{head}.{body}.{_signature(f'{head}.{body}', secret)}"


def read(token: str, secret: str, *, now: float) -> dict[str, Any]:
    """The claims.

    :raises BadToken: see there.
    """
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(signed, secret).encode(), signature.encode()):
        raise BadToken("signature")
    try:
        claims = json.loads(_decode(signed.split(".")[1]))
    except (IndexError, ValueError, binascii.Error) as error:
        raise BadToken("not a token") from error
    if claims["exp"] <= now:
        raise BadToken("expired")
    return claims


def _signature(text: str, secret: str) -> str:
    return _encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
