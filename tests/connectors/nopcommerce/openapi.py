"""Holds what the connector sends to family A, and gets, against the published OpenAPI description.

The description is not part of the project: it is read from the folder that CAUSEWAY_SPECS names, if it is there.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema

from connectors.base import exact_json
from tests.connectors.nopcommerce.shops import Sent

HERE = Path(__file__).resolve().parents[3]
DEFAULT = HERE.parent / "shared" / "systems" / "specs"
NAME = "nopcommerce/nopcommerce-web-api-backend-v1.06.openapi.json"

checks = 0


@functools.cache
def description() -> dict[str, Any] | None:
    path = Path(os.environ.get("CAUSEWAY_SPECS") or DEFAULT) / NAME
    return json.loads(path.read_text()) if path.is_file() else None


def check(sent: Iterable[Sent]) -> None:
    """Every call below ``/api-backend``. A route, query name or body member that is not described fails."""
    spec = description()
    if spec is None:
        return
    for call in sent:
        path = urlsplit(call.url).path
        if path.startswith("/api-backend/"):
            _check_one(spec, call, path)


def _check_one(spec: dict[str, Any], call: Sent, path: str) -> None:
    global checks
    template = next((each for each in _templates() if each[1].fullmatch(path)), None)
    assert template, f"{path} is not described"
    operation = spec["paths"][template[0]].get(call.method.lower())
    assert operation, f"{call.method} {template[0]} is not described"
    described = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
    assert set(call.params) <= described, f"{template[0]}: {sorted(set(call.params) - described)} not described"
    required = {
        each["name"] for each in operation.get("parameters", []) if each["in"] == "query" and each.get("required")
    }
    assert required <= set(call.params), f"{template[0]}: {sorted(required - set(call.params))} missing"
    checks += 1
    if call.json is not None:
        schema = _content(operation["requestBody"])
        _validate(spec, schema, call.json, f"request of {template[0]}")
        checks += 1
    if call.reply.status == 200 and not call.reply.is_html and call.reply.content.strip():
        schema = _content(operation["responses"]["200"])
        if schema is not None:
            try:
                body = call.reply.json()
            except Exception:  # a fault was injected: nothing to hold against anything
                return
            _validate(spec, schema, body, f"reply of {template[0]}")
            checks += 1


@functools.cache
def _templates() -> list[tuple[str, re.Pattern[str]]]:
    spec = description() or {"paths": {}}
    found = [(path, re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)))) for path in spec["paths"]]
    return sorted(found, key=lambda each: "{" in each[0])  # fixed paths before those with a place-holder


def _content(part: dict[str, Any]) -> dict[str, Any] | None:
    content = part.get("content", {}).get("application/json")
    return content["schema"] if content else None


def _validate(spec: dict[str, Any], schema: dict[str, Any] | None, value: Any, where: str) -> None:
    if schema is None:
        return
    plain = json.loads(exact_json.dumps(value), parse_float=Decimal)
    errors = list(_validator(json.dumps(schema)).iter_errors(plain))
    assert not errors, f"{where}: {[error.message[:200] for error in errors[:3]]}"


@functools.cache
def _validator(schema_text: str) -> Any:
    spec = description() or {}
    schema = {**_as_json_schema(json.loads(schema_text)), "components": _as_json_schema(spec["components"])}
    kind = jsonschema.validators.extend(
        jsonschema.Draft202012Validator,
        type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
            "number", lambda _, value: isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        ),
    )
    return kind(schema)


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 writes ``nullable`` where JSON Schema has a second type."""
    if isinstance(node, list):
        return [_as_json_schema(part) for part in node]
    if not isinstance(node, dict):
        return node
    made = {key: _as_json_schema(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made
