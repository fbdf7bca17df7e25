"""What every registered connector promises: one that is added to the registry is asked all of this by itself."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from connectors.base.actions import Action, Once, ReadAction, WriteAction
from connectors.base.manifest import Connector, Field, FieldKind
from connectors.base.triggers import BadSignature, PollTrigger, Webhook
from connectors.registry import CONNECTORS
from tests.connectors.examples import example

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"[a-z][a-z0-9_]*")
SECRET_WORDS = ("password", "secret", "token", "memorable", "_key")
# Names that shipped definitions and installed flows use. One may be added; none may be renamed or dropped.
PROMISED_OPERATIONS = {
    "kashflow": {
        "add_invoice_note", "apply_credit_note", "check_booking", "create_invoice", "delete_invoice", "delete_payment",
        "ensure_customer", "find_customer", "get_invoice", "get_product", "list_documents", "list_products",
        "record_payment", "set_stock", "upsert_product",
    },
    "nopcommerce": {
        "add_order_note", "get_customer", "get_order", "get_product", "get_product_by_id", "set_order_status",
        "set_stock", "upsert_customer", "upsert_product",
    },
}  # fmt: skip
PROMISED_TRIGGERS = {
    "kashflow": {"customers", "products"},
    "nopcommerce": {"customers", "orders", "past_orders", "products"},
}

connectors = pytest.mark.parametrize("connector", CONNECTORS.values(), ids=lambda one: one.key)


def _each(kind: type) -> pytest.MarkDecorator:
    found = [
        pytest.param(action, id=f"{connector.key}.{action.key}")
        for connector in CONNECTORS.values()
        for action in connector.actions
        if issubclass(action, kind)
    ]
    return pytest.mark.parametrize("action", found)


actions, reads, writes = _each(Action), _each(ReadAction), _each(WriteAction)
triggers = pytest.mark.parametrize(
    "trigger",
    [pytest.param(t, id=f"{connector.key}.{t.key}") for connector in CONNECTORS.values() for t in connector.triggers],
)
hooks = pytest.mark.parametrize(
    "webhook", [pytest.param(c.webhook, id=c.key) for c in CONNECTORS.values() if c.webhook is not None]
)


# The manifest


def test_registry_is_alphabetical_and_names_each_connector_by_its_key() -> None:
    assert list(CONNECTORS) == sorted(CONNECTORS)
    assert all(key == connector.key and NAME.fullmatch(key) for key, connector in CONNECTORS.items())


@connectors
def test_it_says_what_it_is_and_where_it_is_documented(connector: Connector) -> None:
    assert connector.name.strip()
    assert connector.summary.endswith("."), "the summary is one sentence for people"
    assert connector.docs.startswith("https://") or (ROOT / connector.docs).is_file()
    assert (ROOT / "docs" / "connectors" / f"{connector.key}.md").is_file()
    assert (ROOT / "connectors" / connector.key / "NOTES.md").is_file()


@connectors
def test_a_stated_rate_limit_names_its_source(connector: Connector) -> None:
    if (limit := connector.limit) is not None:
        assert limit.calls > 0
        assert limit.per_seconds > 0
        assert limit.source.strip()


@connectors
def test_fields_can_be_drawn_and_hide_what_is_secret(connector: Connector) -> None:
    fields = (*connector.fields, *connector.settings)
    names = [field.name for field in fields]
    assert len(names) == len(set(names))
    for field in fields:
        assert NAME.fullmatch(field.name)
        assert field.label.strip()
        assert bool(field.choices) == (field.kind is FieldKind.CHOICE), f"{field.name}: choices and kind disagree"
        assert not field.choices or field.default in dict(field.choices)
        assert field.secret or not _sounds_secret(field), f"{field.name} sounds secret and would be shown"
        assert not (field.secret and field.default), f"{field.name}: a secret has no default"


def _sounds_secret(field: Field) -> bool:
    return any(word in field.name for word in SECRET_WORDS)


@connectors
def test_settings_of_a_connector_are_never_secret(connector: Connector) -> None:
    assert not [field.name for field in connector.settings if field.secret], "settings are shown; secrets are fields"


# Operations and triggers


@connectors
def test_operations_and_triggers_keep_their_names(connector: Connector) -> None:
    operations = [action.key for action in connector.actions]
    names = [trigger.key for trigger in connector.triggers]
    assert len(operations) == len(set(operations)), "two operations have one name"
    assert len(names) == len(set(names)), "two triggers have one name"
    assert PROMISED_OPERATIONS.get(connector.key, set()) <= set(operations)
    assert PROMISED_TRIGGERS.get(connector.key, set()) <= set(names)
    assert all(NAME.fullmatch(name) for name in [*operations, *names])


@connectors
def test_its_names_are_written_down_here(connector: Connector) -> None:
    assert connector.key in PROMISED_OPERATIONS, "list its operations above: from now on they are promised"
    assert connector.key in PROMISED_TRIGGERS, "list its triggers above: from now on they are promised"


@actions
def test_an_operation_is_titled_and_its_shapes_are_closed(action: type[Action]) -> None:
    assert action.title.strip()
    assert issubclass(action, ReadAction) is not issubclass(action, WriteAction)
    for shape in (action.input, action.output):
        assert issubclass(shape, BaseModel)
        assert shape.model_config.get("extra") == "forbid", f"{shape.__name__} swallows members it does not know"


@actions
def test_an_input_survives_the_journal(action: type[Action]) -> None:
    data = example(action.input)
    assert action.input.model_validate(json.loads(data.model_dump_json())) == data


@reads
def test_a_read_can_be_run_and_says_whether_its_answer_may_be_kept(action: type[ReadAction]) -> None:
    assert action.run is not ReadAction.run
    assert isinstance(action.cacheable, bool)


@writes
def test_a_write_says_how_it_happens_once_and_how_long_it_may_take(action: type[WriteAction]) -> None:
    assert isinstance(action.once, Once)
    assert 0 < action.timeout_seconds <= 120
    assert action.settle_seconds > 0, "a write may land after we stopped waiting"
    assert action.write is not WriteAction.write
    assert action.__doc__ or action.write.__doc__ or action.find.__doc__, "say what a repeat does"


@writes
def test_a_write_that_looks_first_can_look(action: type[WriteAction]) -> None:
    assert (action.find is not WriteAction.find) is (action.once is Once.LOOK_FIRST)


@writes
def test_a_dry_run_answers_in_the_declared_shape(action: type[WriteAction]) -> None:
    write = action()
    pretended = write.pretend(example(action.input))
    assert type(pretended) is action.output
    assert action.output.model_validate(pretended.model_dump()) == pretended
    assert isinstance(write.external_id(pretended), str)


@triggers
def test_a_trigger_says_what_it_reads_and_what_it_may_tell_twice(trigger: type[PollTrigger]) -> None:
    assert trigger.title.strip()
    assert NAME.fullmatch(trigger.record_type)
    assert trigger.interval_seconds >= 1
    assert inspect.cleandoc(trigger.__doc__ or "") not in ("", inspect.cleandoc(PollTrigger.__doc__ or ""))
    assert trigger.read is not PollTrigger.read


# Webhooks


@hooks
@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json", "ms-signature": "sha256=00"}])
@pytest.mark.parametrize("secret", ["the-secret-of-this-connection", ""])
def test_an_unsigned_or_wrongly_signed_delivery_is_refused(
    webhook: Webhook, headers: dict[str, str], secret: str
) -> None:
    with pytest.raises(BadSignature):
        webhook.verify(headers, b'{"order": 1}', secret)


@hooks
def test_a_plain_delivery_is_no_registration_check(webhook: Webhook) -> None:
    assert webhook.handshake({}) is None


# The folder


@connectors
def test_it_imports_neither_django_nor_a_room_nor_another_connector(connector: Connector) -> None:
    allowed = {"base", connector.key}
    rooms = {"django", "config", "tenants", "connections", "flows", "runs", "front", "demo", "sandbox"}
    for path in sorted((ROOT / "connectors" / connector.key).rglob("*.py")):
        for name in _imported(path):
            top, _, rest = name.partition(".")
            assert top not in rooms, f"{path.relative_to(ROOT)} imports {name}"
            assert top != "connectors" or rest.partition(".")[0] in allowed, f"{path.relative_to(ROOT)} imports {name}"
            # One door to the outside: whoever opens sockets elsewhere escapes the address guard and the budgets.
            assert top not in {"httpx", "aiohttp", "requests", "urllib3", "socket"}, f"{path} imports {name}"


def _imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names
