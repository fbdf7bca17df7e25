"""Dashboard and alert rules name what there is: families, their labels, and values those labels take."""

import itertools
import json
import re
from pathlib import Path

import pytest

from config.env import ROOT
from front.metrics import EngineCollector
from telemetry.metrics import FAMILIES, Observed

DASHBOARD = ROOT / "docs" / "grafana" / "causeway.json"
ALERTS = ROOT / "docs" / "grafana" / "alerts.yml"
OPERATIONS = ROOT / "docs" / "operations.md"
NAME = re.compile(r"\bcauseway_[a-z_]+\b")
SELECTOR = re.compile(r"\b(causeway_[a-z_]+)\{([^}]*)\}")
BY = re.compile(r"(?:by|without) \(([^)]*)\)")


def samples():
    """Every name a scrape can hold, with the labels it carries."""
    known = {}
    for family in FAMILIES:
        labels = set(family._family._labelnames)
        if isinstance(family, Observed):
            known |= {f"{family.name}_{kind}": labels for kind in ("sum", "count")}
            known[f"{family.name}_bucket"] = labels | {"le"}
        else:
            known[family.name] = labels
    for gauge in EngineCollector().describe():
        known[gauge.name] = set(gauge._labelnames)
    known["causeway_database_up"] = set()
    return known


def expressions():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for line in ALERTS.read_text().splitlines():
        if line.strip().startswith("expr:"):
            yield "alert", line.partition("expr:")[2].strip()


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_an_expression_names_what_there_is(where, expression):
    known = samples()
    names = NAME.findall(expression)
    assert names, expression
    assert set(names) <= set(known)
    for name, pairs in SELECTOR.findall(expression):
        assert set(re.findall(r"(\w+)\s*=", pairs)) <= known[name], expression
    for labels in BY.findall(expression):
        asked = {label.strip() for label in labels.split(",")}
        assert asked <= set.union(*(known[name] for name in names)), expression
    assert expression.count("(") == expression.count(")") and expression.count("{") == expression.count("}")


def test_every_family_is_looked_at_by_the_dashboard():
    looked_at = set(NAME.findall(DASHBOARD.read_text()))
    for family in FAMILIES:
        assert any(name.startswith(family.name) for name in looked_at), family.name
    for gauge in EngineCollector().describe():
        assert gauge.name in looked_at, gauge.name


def test_every_panel_has_a_place_of_its_own():
    taken = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        columns, lines = (range(place[at], place[at] + place[size]) for at, size in (("x", "w"), ("y", "h")))
        cells = set(itertools.product(columns, lines))
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells


def rules():
    return re.findall(r"- alert: (\w+)\n((?: {8}.*\n)+)", ALERTS.read_text())


def test_each_rule_says_what_happened_and_what_to_do():
    found = rules()
    assert len(found) == ALERTS.read_text().count("- alert:") >= 8
    for name, body in found:
        for part in ("expr:", "severity:", "summary:", "what_to_do:"):
            assert part in body, f"{name} lacks {part}"


def test_the_operations_page_names_each_rule():
    page = OPERATIONS.read_text()
    assert [name for name, _ in rules() if name not in page] == []


@pytest.mark.parametrize("page", [OPERATIONS, ROOT / "docs" / "architecture.md"], ids=lambda page: Path(page).name)
def test_pages_name_metrics_that_exist(page):
    families = {family.name for family in FAMILIES} | set(samples())
    assert {name for name in NAME.findall(page.read_text()) if name != "causeway_inbox"} <= families
