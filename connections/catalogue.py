"""Which connectors there are, and what a person must type to connect one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from connections.errors import CredentialsIncomplete, UnknownConnector
from connectors.base.manifest import Connector, Field, FieldKind
from connectors.registry import CONNECTORS


def connector_of(key: str) -> Connector:
    """:raises UnknownConnector: not in the registry (any more)."""
    try:
        return CONNECTORS[key]
    except KeyError:
        raise UnknownConnector(f"There is no connector {key!r}.") from None


def typed_values(connector: Connector, values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Check what was typed against the declared fields.

    :returns: settings (shown to people) and secrets (to be sealed); values nobody declared are left out.
    :raises CredentialsIncomplete: the first field that is wrong, by name.
    """
    settings: dict[str, str] = {}
    secrets: dict[str, str] = {}
    for field in connector.fields:
        value = _checked(field, values.get(field.name, field.default))
        if value:
            (secrets if field.secret else settings)[field.name] = value
    return settings, secrets


def _checked(field: Field, typed: str) -> str:
    # A password may begin or end with a blank; everything else was pasted with it by accident.
    value = typed if field.secret else typed.strip()
    if not value:
        if field.required:
            raise CredentialsIncomplete(f"{field.label} is missing.", field=field.name)
        return ""
    if field.kind is FieldKind.CHOICE and value not in dict(field.choices):
        raise CredentialsIncomplete(f"{field.label}: choose one of the list.", field=field.name)
    if field.kind is FieldKind.URL and not _is_web_address(value):
        raise CredentialsIncomplete(f"{field.label} must be a full address, https://…", field=field.name)
    if field.kind is FieldKind.NUMBER and not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        raise CredentialsIncomplete(f"{field.label} must be a number.", field=field.name)
    if field.most is not None and float(value) > field.most:
        raise CredentialsIncomplete(f"{field.label} must not be more than {field.most:g}.", field=field.name)
    return value


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
