"""The settings form of an installation, drawn from what its pair declares: fields in groups, tables as rows.

Names in the posted form: ``<setting>`` for single values; for a table ``<setting>:<row>:key`` and
``<setting>:<row>:<column>`` (column ``value`` where the table maps a key to a text); ``<setting>:lines`` for lists and
for tables too long to be shown as rows. A row whose cells are all empty is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.engine.definition import Column, PairDocument, Setting
from flows.setting_values import settings_problems_by_name

SPARE_ROWS = 2
MOST_ROWS = 100  # beyond it a table is one text box, a line per row: browsers and the form limit would suffer
_VALUE = "value"


@dataclass(frozen=True)
class Cell:
    column: Column
    value: Any


@dataclass(frozen=True)
class FormRow:
    number: int
    key: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class FormField:
    """How one setting is shown. ``shape``: text, number, switch, choice, date, rows or lines."""

    setting: Setting
    shape: str
    value: Any
    error: str = ""
    columns: Sequence[Column] = field(default_factory=tuple)
    rows: Sequence[FormRow] = field(default_factory=tuple)
    keyed: bool = False


def form_groups(pair: PairDocument, values: Mapping[str, Any], *, check: bool = False) -> dict[str, list[FormField]]:
    """Fields by group in the pair's order. :param check: say what is wrong beside the fields."""
    problems = settings_problems_by_name(pair, values) if check else {}
    groups: dict[str, list[FormField]] = {}
    for setting in pair.settings:
        value = values.get(setting.name, setting.default)
        groups.setdefault(setting.group, []).append(_field(setting, value, problems.get(setting.name, "")))
    return groups


def form_read(pair: PairDocument, posted: Mapping[str, str], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as posted. :param kept: the present ones; values equal to the pair's default are stored only if kept
    already, so that an installation follows a better default of a later version."""
    read = {setting.name: _read(setting, posted) for setting in pair.settings}
    defaults = {setting.name: setting.default for setting in pair.settings}
    return {name: value for name, value in read.items() if name in kept or value != defaults[name]}


def _columns(setting: Setting) -> list[Column]:
    if setting.columns:
        return list(setting.columns)
    kind = "choice" if setting.choices else "text"
    return [Column(name=_VALUE, label="Value", type=kind, choices=setting.choices)]


def _field(setting: Setting, value: Any, error: str) -> FormField:
    if setting.type == "table" and isinstance(value, Mapping):
        if len(value) > MOST_ROWS and not setting.columns:
            lines = "\n".join(f"{key} = {inner}" for key, inner in value.items())
            return FormField(setting, "lines", lines, error)
        return _rows_field(setting, list(value.items()), error, keyed=True)
    if setting.type == "list" and isinstance(value, list | tuple):
        if setting.columns:
            return _rows_field(setting, [("", row) for row in value], error, keyed=False)
        return FormField(setting, "lines", "\n".join(str(one) for one in value), error)
    return FormField(setting, setting.type, "" if value is None else value, error)


def _rows_field(setting: Setting, pairs: list[tuple[str, Any]], error: str, *, keyed: bool) -> FormField:
    columns = _columns(setting)
    blank: list[tuple[str, Any]] = [("", {})] * SPARE_ROWS
    rows = [
        FormRow(number, key, [Cell(column, _cell(inner, column)) for column in columns])
        for number, (key, inner) in enumerate([*pairs, *blank])
    ]
    return FormField(setting, "rows", None, error, columns, rows, keyed)


def _cell(inner: Any, column: Column) -> Any:
    if isinstance(inner, Mapping):
        # A new row starts switched on: what a person adds is meant to count.
        return inner.get(column.name, (not inner) if column.type == "switch" else "")
    return inner


def _read(setting: Setting, posted: Mapping[str, str]) -> Any:
    lines = posted.get(f"{setting.name}:lines")
    match setting.type:
        case "switch":
            return posted.get(setting.name) == "on"
        case "table":
            return _read_table_lines(lines) if lines is not None else _read_table(setting, posted)
        case "list":
            if setting.columns:
                return [cells for _, cells in _read_rows(setting, posted)]
            return [line.strip() for line in (lines or "").splitlines() if line.strip()]
    typed = posted.get(setting.name, "")
    # Blanks at an edge are slips, unless the setting is made with one (a mark that stands before a text).
    meant = isinstance(setting.default, str) and setting.default != setting.default.strip()
    return typed if meant else typed.strip()


def _read_table_lines(lines: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in lines.splitlines() if line.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _read_table(setting: Setting, posted: Mapping[str, str]) -> dict[str, Any]:
    rows = _read_rows(setting, posted)
    return {key: cells if setting.columns else cells[_VALUE] for key, cells in rows if key}


def _read_rows(setting: Setting, posted: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    columns, start = _columns(setting), f"{setting.name}:"
    numbers = {name[len(start) :].split(":")[0] for name in posted if name.startswith(start)}
    rows = []
    for number in sorted((one for one in numbers if one.isdigit()), key=int):
        key = posted.get(f"{start}{number}:key", "").strip()
        cells = {one.name: _read_cell(one, posted.get(f"{start}{number}:{one.name}", "")) for one in columns}
        typed = [key, *(cells[column.name] for column in columns if column.type == "text")]
        if any(typed):
            rows.append((key, cells))
    return rows


def _read_cell(column: Column, typed: str) -> Any:
    return typed == "on" if column.type == "switch" else typed.strip()
