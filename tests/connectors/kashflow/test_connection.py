"""Connecting: which account it is, and what to do when KashFlow does not let us in."""

import json

import pytest

from connectors.base.actions import Once, WriteAction
from connectors.base.errors import NeedsAttention
from connectors.base.gate import OpenGate
from connectors.base.http import HttpPool
from connectors.base.manifest import ConnectionView
from connectors.kashflow.client import account_id
from connectors.kashflow.ledger import Nominal
from connectors.kashflow.manifest import CONNECTOR
from tests.connectors.kashflow.conftest import LOCAL

WRITES = [action for action in CONNECTOR.actions if issubclass(action, WriteAction)]


async def test_check_tells_account_name_and_home_currency(soap):
    facts = await soap.client.check()
    assert (facts.name, facts.currency, facts.time_zone) == ("Demo Homewares", "GBP", "Europe/London")
    assert facts.details["vat_registered"] == "yes"


async def test_both_transports_name_the_same_account(soap):
    one = await soap.client.check()
    other = await soap.open(transport="rest").check()
    assert one.account_id == other.account_id != "" and other.currency == "GBP"


async def test_two_accounts_have_two_ids(desk):
    one = await desk.client.check()
    second = {"username": "demo2", "password": "demo2-password", "memorable_word": "watermill"}
    other = await desk.open(**second).check()
    assert one.account_id != other.account_id


async def test_account_id_survives_a_change_of_password_and_of_data(soap):
    before = (await soap.client.check()).account_id
    soap.switch(password="separate_api")
    after = (await soap.open(password="demo-api-password").check()).account_id
    assert before == after


def test_account_id_hangs_on_the_row_nobody_can_delete():
    rows = [Nominal(12, "4000", "Old"), Nominal(77, "0", "Other"), Nominal(90, "100", "Sales")]
    real = "https://securedwebapp.com/api/service.asmx"
    assert account_id(rows, real) == account_id(rows, "https://api.kashflow.com/v2") == "nominal-77"
    assert account_id(rows, "http://127.0.0.1:9102/v2") == "nominal-77@127.0.0.1:9102"
    assert account_id([rows[2], rows[0]], real) == "nominal-12"
    with pytest.raises(NeedsAttention):
        account_id([], real)


async def test_wrong_password_tells_of_the_separate_one(desk):
    with pytest.raises(NeedsAttention) as refused:
        await desk.open(password="wrong").check()
    assert refused.value.code == "wrong_password"
    assert "separate API password" in refused.value.cure and "API Settings" in refused.value.cure
    assert "wrong" not in refused.value.operator_text.replace("wrong_password", "")


async def test_login_password_where_a_separate_one_is_set(soap):
    soap.switch(password="separate_api")
    with pytest.raises(NeedsAttention) as refused:
        await soap.client.check()
    assert refused.value.code == "wrong_password"


async def test_address_that_is_not_listed_is_named(soap):
    soap.switch(ip_allow_list=True)
    with pytest.raises(NeedsAttention) as refused:
        await soap.client.check()
    assert refused.value.code == "ip_not_allowed"
    assert "127.0.0.1" in refused.value.customer_text and "127.0.0.1" in refused.value.cure
    assert "AutoAuth" in refused.value.cure


async def test_address_is_added_with_the_auto_auth_key(soap):
    soap.switch(ip_allow_list=True)
    assert (await soap.open(auto_auth_key="1234ABCD-1234").check()).name == "Demo Homewares"
    soap.control("POST", "reset", {"seed": 1})
    soap.switch(ip_allow_list=True)
    with pytest.raises(NeedsAttention):
        await soap.open(auto_auth_key="0000-0000").check()


async def test_wrong_or_missing_memorable_word(rest):
    for word in ("", "li"):
        with pytest.raises(NeedsAttention) as refused:
            await rest.open(memorable_word=word).check()
        assert refused.value.code == "memorable_word"
    with pytest.raises(NeedsAttention) as refused:
        await rest.open(memorable_word="wwwwwwwwwww").check()
    assert refused.value.code == "wrong_password"


async def test_locked_user_is_told(rest):
    rest.switch(lock_out_after=1)
    with pytest.raises(NeedsAttention):
        await rest.open(password="wrong").check()
    with pytest.raises(NeedsAttention) as refused:
        await rest.client.check()
    assert refused.value.code == "account_locked"


def test_fields_mark_what_is_secret():
    secret = {field.name for field in CONNECTOR.fields if field.secret}
    assert secret == {"password", "memorable_word", "auto_auth_key"}


def test_host_follows_transport_and_address():
    def host(**settings):
        return CONNECTOR.host_of(ConnectionView("c", {}, settings))

    assert host() == "securedwebapp.com" and host(transport="rest") == "api.kashflow.com"
    assert host(service_address="http://127.0.0.1:9102") == "127.0.0.1:9102"


async def test_secrets_are_not_shown(desk):
    assert "demo-password" not in repr(desk.client._login) and "lighthouse" not in repr(desk.client._login)


async def test_setting_that_is_no_number_is_told(soap):
    with pytest.raises(NeedsAttention) as refused:
        soap.open(settle_seconds="soon")
    assert refused.value.field == "settle_seconds"


def test_settle_time_is_ninety_seconds_unless_set(soap):
    action = CONNECTOR.action("create_invoice")()
    assert action.settle(soap.ctx) == 0.5
    assert action.settle(soap.context(soap.open(settle_seconds=""))) == 90 == action.settle_seconds


@pytest.mark.parametrize("action", WRITES, ids=lambda action: action.key)
def test_every_write_declares_its_times(action):
    assert action.settle_seconds > action.timeout_seconds > 0 and action.once in Once


async def test_no_secret_reaches_the_record_of_calls(desk):
    seen = []
    desk.pools.append(HttpPool())
    door = desk.pools[-1].door(OpenGate(), LOCAL, seen.append)
    credentials = {"username": "demo", "password": "demo-password", "memorable_word": "lighthouse"}
    client = CONNECTOR.open_client(door, ConnectionView("c", credentials, desk.settings))
    await client.check()
    shown = "\n".join(str(exchange) for exchange in seen)
    assert len(seen) >= 3 and "demo-password" not in shown and "KfToken" not in shown
    assert not [row for row in seen if '"Value"' in row.request_body]


def test_input_schemas_are_json():
    for action in CONNECTOR.actions:
        assert json.dumps(action.input.model_json_schema()) and json.dumps(action.output.model_json_schema())
