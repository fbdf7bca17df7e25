"""Everything the environment may say, typed, read once. Nothing else in the project reads ``os.environ``."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent

Words = Annotated[tuple[str, ...], NoDecode]


class Env(BaseSettings):
    """One field per variable (upper case, prefix ``CAUSEWAY_`` except the two customary URLs).

    Secrets may come from files: set ``CAUSEWAY_SECRETS_DIR`` to a folder holding files named like the variables.
    """

    model_config = SettingsConfigDict(
        env_prefix="CAUSEWAY_", secrets_dir=os.environ.get("CAUSEWAY_SECRETS_DIR") or None, extra="ignore"
    )

    database_url: str = ""
    redis_url: str = ""
    var_dir: Path = ROOT / "var"
    debug: bool = False
    embedded: bool = True
    secret_key: SecretStr = SecretStr("")
    master_keys: Words = ()
    allowed_hosts: Words = ("127.0.0.1", "localhost")
    base_url: str = "http://127.0.0.1:8000"
    allowed_private_targets: Words = ()
    host_name: str = ""
    queue_workers: int = 2
    drain_concurrency: int = 64
    tenant_in_flight: int = 256
    connection_in_flight: int = 128
    lease_seconds: float = 60.0
    sweep_seconds: float = 1.0
    drain_seconds: float = 45.0
    stop_file: Path | None = None
    web_threads: int = 8
    log_level: str = "INFO"
    log_json: bool = False
    metrics_token: SecretStr = SecretStr("")
    otlp_endpoint: str = ""
    trace_ratio: float = 0.05
    trace_hosts: Words = ()
    web_pool: bool = False
    email_url: SecretStr = SecretStr("")
    alert_email_from: str = "alerts@causeway.invalid"
    max_hook_bytes: int = 1_000_000
    payload_days: int = 90
    run_days: int = 730

    @field_validator("master_keys", "allowed_hosts", "allowed_private_targets", "trace_hosts", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def read_env() -> Env:
    """The environment, with the two URLs every host knows under their customary names."""
    customary = {name: os.environ[name.upper()] for name in ("database_url", "redis_url") if name.upper() in os.environ}
    return Env(**customary)  # type: ignore[arg-type]


def kept_secret(folder: Path, name: str) -> str:
    """A random secret made once and kept in ``folder`` (embedded default: nobody has to invent one)."""
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        value = base64.b64encode(secrets.token_bytes(32)).decode()
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(value)
        except FileExistsError:
            pass  # another process was first; its value counts
    return path.read_text().strip()


def database(url: str, var_dir: Path, *, pool: bool) -> dict[str, object]:
    """Django's database block for a ``postgresql://`` or ``sqlite:///`` address; empty means SQLite in ``var_dir``."""
    parts = urlsplit(url or f"sqlite:///{var_dir / 'causeway.sqlite3'}")
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path[1:]),  # three slashes: relative to the folder we stand in; four: absolute
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                # FULL: with NORMAL a power cut can take rows already acknowledged to a sender.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            },
        }
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError(f"DATABASE_URL must start with postgresql:// or sqlite:///, not {parts.scheme!r}")
    # Statements of our hot paths keep their plans at the server (``runs.statement``); Django's own never do.
    options: dict[str, object] = {"prepare_threshold": 5, **dict(parse_qsl(parts.query))}
    if pool:  # web processes only: a pool and the forking queue cluster do not go together
        options["pool"] = {"min_size": 2, "max_size": 8, "timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0 if pool else 60,
        "CONN_HEALTH_CHECKS": not pool,
        "OPTIONS": options,
    }
