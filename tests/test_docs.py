"""The documents say what the code says: settings, figures, names, links."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from config.env import ROOT as PROJECT
from config.env import Env
from flows.prebuilt import prebuilt_keys, prebuilt_pair

DOCS = PROJECT / "docs"
PAGES = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", PROJECT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
CUSTOMARY = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL"}
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)")
FILE = re.compile(r"(?:[\w.-]+/)+[\w.*-]+\.(?:py|md|json|toml|txt|css|js|html|png)")
TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
POINTS = [*(f"P{n}" for n in range(1, 22)), *(f"N{n}" for n in range(1, 8)), *(f"A{n}" for n in range(1, 9))] + [
    f"B{n}" for n in range(1, 9)
]
NOT_THERE = "not there yet"

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))


@cache
def tracked() -> tuple[str, ...]:
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git work tree")
    return tuple(name for name in listed.stdout.splitlines() if (PROJECT / name).is_file())


def rows(page: Path) -> list[list[str]]:
    """Cells of every table row of a page."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


# Settings


def variable(field: str) -> str:
    return CUSTOMARY.get(field, f"CAUSEWAY_{field.upper()}")


def shown(field: str) -> str:
    """A default as the page writes it."""
    default = Env.model_fields[field].default
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(default) or "empty"
    if isinstance(default, Path):
        return str(default.relative_to(PROJECT))
    if isinstance(default, float):
        return f"{default:g}"
    text = default.get_secret_value() if hasattr(default, "get_secret_value") else default
    return "empty" if text in ("", None) else str(text)


@cache
def documented_settings() -> dict[str, list[str]]:
    return {cells[0].strip("`"): cells[1:] for cells in rows(DOCS / "settings.md") if re.match(r"`[A-Z_]+`$", cells[0])}


@pytest.mark.parametrize("field", Env.model_fields)
def test_each_variable_is_documented_with_its_default_and_unit(field: str) -> None:
    default, unit, meaning = documented_settings()[variable(field)]
    assert default.strip("`") == shown(field)
    assert unit
    assert meaning.endswith(".")


def test_no_variable_is_documented_that_nothing_reads() -> None:
    known = {variable(field) for field in Env.model_fields}
    read = {name for path in tracked() if path not in ("docs/settings.md",) for name in variables_in(path)}
    assert set(documented_settings()) - known <= read


def test_no_variable_is_read_that_is_not_documented() -> None:
    read = {name: path for path in tracked() if path.endswith(".py") for name in variables_in(path)}
    assert {name for name in read if name not in documented_settings()} == set()


def variables_in(path: str) -> set[str]:
    if not path.endswith((".py", ".md", "run", ".toml")):
        return set()
    return set(re.findall(r"\b(?:CAUSEWAY_[A-Z_]*[A-Z]|CI_[A-Z]+_URL|PYTHON)\b", (PROJECT / path).read_text()))


# Figures


def test_constants_are_as_the_architecture_page_says() -> None:
    found = 0
    for cells in rows(DOCS / "architecture.md"):
        name = cells[0].strip("`")
        if not re.fullmatch(r"[a-z_.]+\.[A-Z_]+", name):
            continue
        module, _, constant = name.rpartition(".")
        value = getattr(importlib.import_module(module), constant)
        seconds = value.total_seconds() if hasattr(value, "total_seconds") else value
        assert float(cells[1].split()[0].replace(",", "")) == float(seconds), name
        found += 1
    assert found > 20, "the table of constants is not where this test looks for it"


@pytest.mark.parametrize("key", prebuilt_keys())
def test_the_page_of_a_pair_names_each_group_of_its_settings(key: str) -> None:
    page = rows(DOCS / "pairs" / f"{key}.md")
    groups = {setting["group"] for setting in prebuilt_pair(key)["pair"]["settings"]}
    assert groups <= {cells[0] for cells in page}


# Names and links


@pages
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links {target}"
        assert not anchor or anchor in anchors(file), f"{page.name} links {target}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages
def test_files_named_exist(page: Path) -> None:
    for code in CODE.findall(page.read_text()):
        for name in FILE.findall(code):
            if "<" in code or name.startswith(("var/", "systems/")) or not (PROJECT / name.split("/")[0]).is_dir():
                continue
            assert list(PROJECT.glob(name)), f"{page.name} names {name}"


@pages
def test_tests_named_exist(page: Path) -> None:
    for path, name in TEST.findall(page.read_text()):
        assert name in functions_of(path), f"{page.name} names {path}::{name}"


@cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((PROJECT / path).read_text())
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    )


# Coverage


@cache
def coverage() -> dict[str, list[str]]:
    return {cells[0]: cells[1:] for cells in rows(DOCS / "coverage.md") if re.fullmatch(r"[PNAB]\d+", cells[0])}


def test_every_point_is_answered_once() -> None:
    named = [cells[0] for cells in rows(DOCS / "coverage.md") if re.fullmatch(r"[PNAB]\d+", cells[0])]
    assert sorted(named) == sorted(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_a_point_names_code_and_test_or_says_that_it_is_not_there(point: str) -> None:
    where, test = coverage()[point][1:3]
    if NOT_THERE in where:
        return
    assert FILE.search(where) or re.search(r"`[\w/-]+/`", where), f"{point} says not where it lives"
    assert TEST.search(test) or NOT_THERE in test, f"{point} names no test"


@pytest.mark.parametrize("point", ["P1", "P2", "P5", "P6", "P7", "P8", "P9", "P10", "P13", *POINTS[21:28]])
def test_what_the_first_pair_promises_has_a_test(point: str) -> None:
    assert TEST.search(coverage()[point][2])


# Decisions


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in sorted((DOCS / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_says_situation_choice_and_price(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.name[:4]} ")
    for part in ("**Situation.**", "**Choice.**", "**What we accept.**"):
        assert part in text, f"{page.name} lacks {part}"


# What must never be written down

MACHINE = re.compile(
    "|".join(("/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/\w", r"[^.\w]/tm" + "p/", "pyp" + "i", "pythonho" + "sted"))
)


def test_no_tracked_file_names_a_machine_path_or_a_package_registry() -> None:
    for name in tracked():
        path = PROJECT / name
        if path.suffix in (".png", ".ico", ".woff2"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            assert not MACHINE.search(line), f"{name}:{number}: {line.strip()[:100]}"
