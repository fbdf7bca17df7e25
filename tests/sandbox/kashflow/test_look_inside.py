"""Pages, control endpoints, snapshots and the program itself."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sandbox.common.server import running
from sandbox.kashflow import KashFlow
from tests.sandbox.kashflow.client import Client


def page(kashflow, path):
    answer = kashflow.http.get(path)
    assert answer.status_code == 200
    return answer.text


def test_empty_pages_say_so(kashflow):
    assert "No invoices yet." in page(kashflow, "/")
    assert "No customers yet." in page(kashflow, "/customers")
    assert "SKU-040" in page(kashflow, "/products")
    assert "PayPal clearing" in page(kashflow, "/banks")
    assert kashflow.calls() == {}


def test_pages_show_documents_and_escape_what_they_hold(kashflow):
    name = "Long & <script>alert(1)</script> " + "name" * 60
    number = kashflow.invoice(customer=kashflow.customer(Name=name))
    kashflow.pay(number, "12").ok  # noqa: B018
    kashflow.invoice(kashflow.line("1", "-10", "-2"))
    listed = page(kashflow, "/")
    assert "<script>alert" not in listed and "Long &amp; &lt;script&gt;" in listed
    assert "Credit note" in listed and "Paid" in listed and "SHOP-1001" in listed
    one = page(kashflow, f"/invoices/{number}")
    assert "Blue mug" in one and "Card" in one and "InsertInvoice" in one
    assert kashflow.http.get("/invoices/99").status_code == 404


def test_each_company_has_its_own_pages(kashflow, second):
    second.invoice(CustomerReference="THEIRS-1")
    assert "THEIRS-1" not in page(kashflow, "/")
    assert "THEIRS-1" in page(kashflow, "/?account=demo2")
    assert kashflow.http.get("/?account=nobody").status_code == 404


def test_state_shows_money_as_exact_text(kashflow):
    kashflow.invoice(kashflow.line("3", "0.1", "0.06", ProductID=kashflow.product()["id"]))
    stored = kashflow.state()["invoices"][0]
    assert (stored["net_amount"], stored["vat_amount"], stored["gross_amount"]) == ("0.30", "0.0600", "0.3600")
    line = stored["lines"][0]
    assert (line["product_code"], line["nominal_code"], line["quantity"]) == ("SKU-001", 100, "3")


def test_same_seed_gives_the_same_account(kashflow):
    def accounts(seed):
        kashflow.http.post("/control/reset", json={"seed": seed}).raise_for_status()
        state = kashflow.state()
        return [{k: v for k, v in row.items() if k != "created_at"} for row in state["products"]], state["nominals"]

    assert accounts(1) == accounts(1)
    assert accounts(1)[0] != accounts(2)[0]


def test_settings_are_checked_and_start_over_with_a_reset(kashflow):
    patch = kashflow.http.patch
    assert patch("/control/settings", json={"vat_arithmetic": "guess"}).status_code == 400
    assert patch("/control/settings", json={"moon": 1}).status_code == 400
    assert patch("/control/settings", json=[]).status_code == 400
    kashflow.settings(vat_arithmetic="recompute", deny_locked_before="2026-01-01")
    assert kashflow.http.get("/control/settings").json()["deny_locked_before"] == "2026-01-01"
    kashflow.http.post("/control/reset", json={"seed": 1}).raise_for_status()
    assert kashflow.http.get("/control/settings").json()["vat_arithmetic"] == "as_sent"


def test_vat_rates_can_be_set(kashflow):
    kashflow.http.put("/control/vat-rates", json=[0, "17.5"]).raise_for_status()
    assert [row["Value"] for row in kashflow.soap("GetVATRates").ok] == ["0.0000", "17.5000"]
    assert kashflow.http.put("/control/vat-rates", json=["dear"]).status_code == 400


def test_snapshot_keeps_everything(tmp_path):
    file = tmp_path / "kashflow.json"
    with running(KashFlow(), state_file=file) as url:
        client = Client(url)
        number = client.invoice()
        client.pay(number, "12").ok  # noqa: B018
        client.settings(rate_decimals=2)
        before = client.http.get("/control/state").json()
    with running(KashFlow(), state_file=file) as url:
        client = Client(url)
        assert client.http.get("/control/state").json() == before
        assert client.http.get("/control/settings").json()["rate_decimals"] == 2
        assert client.invoice() == number + 1
        assert client.customer() > before["accounts"]["demo"]["customers"][0]["customer_id"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_program_says_where_it_listens_and_stops_cleanly(tmp_path, number):
    file = tmp_path / "state.json"
    program = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "kashflow", "--port", "0", "--state", str(file), "--seed", "3"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+", program.stdout.readline())[0]
        assert httpx.get(f"{address}/control/calls", trust_env=False).json() == {}
        program.send_signal(number)
        assert program.wait(timeout=10) == 0
    finally:
        program.kill()
        program.wait()
        program.stdout.close()
    assert json.loads(file.read_text())["accounts"]["demo"]["seed"] == 3
