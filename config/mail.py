"""How mail leaves: one address in the environment, in words everybody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

SECONDS = 10  # of one step of the conversation with a mail server
_PORTS = {"smtp": 25, "smtps": 465}
_BACKEND = "django.core.mail.backends.{}.EmailBackend"


def mail_settings(url: str, var_dir: Path) -> dict[str, Any]:
    """Django's settings for ``smtp://user:password@host:587?tls=true``, ``smtps://``, ``file:///folder``, ``console:``.

    Empty: files in the var folder. ``tls=true`` begins in clear and demands encryption before anything is said.

    :raises ValueError: another scheme, or a mail server without a name.
    """
    parts = urlsplit(url or (var_dir / "mail").resolve().as_uri())
    if parts.scheme == "console":
        return {"EMAIL_BACKEND": _BACKEND.format("console")}
    if parts.scheme == "file":
        return {"EMAIL_BACKEND": _BACKEND.format("filebased"), "EMAIL_FILE_PATH": unquote(parts.path)}
    if parts.scheme in _PORTS:
        return _smtp(parts)
    raise ValueError("CAUSEWAY_EMAIL_URL must start with smtp://, smtps://, file:/// or console:")


def _smtp(parts: SplitResult) -> dict[str, Any]:
    if not parts.hostname:
        raise ValueError("CAUSEWAY_EMAIL_URL names no mail server")
    tls = parse_qs(parts.query).get("tls", [""])[0].lower() in ("true", "1", "yes")
    return {
        "EMAIL_BACKEND": _BACKEND.format("smtp"),
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or _PORTS[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": tls and parts.scheme == "smtp",
        "EMAIL_TIMEOUT": SECONDS,
    }
