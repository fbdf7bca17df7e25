"""The mapping engine: fields of a definition, compiled once, applied to many records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from connectors.base.errors import MappingFailed
from flows.engine.definition import FieldMap, Input
from flows.engine.formula_functions import FunctionFailed
from flows.engine.formulas import Formula, FormulaFailed, parse_formula
from flows.engine.paths import Path, PathError, parse_path
from flows.engine.transforms import TRANSFORMS, Transform
from flows.engine.values import MISSING, as_text

Scope = Mapping[str, Any]


class CompiledTransform:
    __slots__ = ("_fixed", "_read", "_transform")

    def __init__(self, text: str | dict[str, dict[str, Any]]) -> None:
        name, arguments = (text, {}) if isinstance(text, str) else next(iter(text.items()))
        self._transform: Transform = TRANSFORMS[name]
        self._read = {key: parse_path(value["from"]) for key, value in arguments.items() if _is_reference(value)}
        self._fixed = {key: value for key, value in arguments.items() if key not in self._read}

    def apply(self, value: Any, scope: Scope) -> Any:
        if value is None and self._transform.passes_null:
            return None
        read = {name: path.read(scope) for name, path in self._read.items()}
        lacking = [path.text for name, path in self._read.items() if read[name] is MISSING]
        if lacking:
            raise FunctionFailed(f"{lacking[0]} is missing")
        try:
            return self._transform.apply(value, **self._fixed, **read)
        except (TypeError, ArithmeticError) as error:
            raise FunctionFailed(f"{self._transform.name} cannot use '{as_text(value)[:40]}'") from error


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"from"} and isinstance(value["from"], str)


class CompiledField:
    """One field. ``fill`` writes its value (or values) into the record under construction."""

    __slots__ = ("_default", "_each", "_read", "_required", "_targets", "_transforms", "_when", "name")

    def __init__(self, field: FieldMap) -> None:
        self.name = field.target or ", ".join(field.targets or ())
        self._targets: list[Path] = [parse_path(text) for text in field.targets or [field.target or ""]]
        self._read = _reader(field)
        self._each = FieldsMapping(field.each) if field.each is not None else None
        self._when: Formula | None = parse_formula(field.when) if field.when else None
        self._transforms = [CompiledTransform(text) for text in field.transforms]
        self._default = field.default
        self._required = field.required

    def fill(self, record: dict[str, Any], scope: Scope) -> None:
        """:raises MappingFailed: names the target field."""
        try:
            self._fill(record, scope)
        except (FormulaFailed, FunctionFailed, PathError) as error:
            raise mapping_failed(self.name, str(error)) from error

    def _fill(self, record: dict[str, Any], scope: Scope) -> None:
        if self._when is not None and not self._when.evaluate(scope):
            return
        value = self._value(scope)
        if value is MISSING:
            return
        if len(self._targets) == 1:
            self._targets[0].write(record, value)
            return
        parts = value if isinstance(value, list) else [value]
        for place, target in enumerate(self._targets):
            target.write(record, parts[place] if place < len(parts) else None)

    def _value(self, scope: Scope) -> Any:
        value = self._read(scope)
        if value is not MISSING:
            if self._each is not None:
                value = self._mapped(value, scope)
            for transform in self._transforms:
                value = transform.apply(value, scope)
        if value is None or value is MISSING:
            value = self._default if self._default is not None else value
        if self._required and (value is None or value is MISSING or value == ""):
            raise mapping_failed(self.name, "it is required and there is no value for it", code="required_field_empty")
        return value

    def _mapped(self, values: Any, scope: Scope) -> list[dict[str, Any]]:
        if not isinstance(values, list):
            raise FunctionFailed("a list is needed here")
        mapped = []
        for place, item in enumerate(values):
            try:
                mapped.append(self._each.apply({**scope, "item": item}))  # type: ignore[union-attr]
            except MappingFailed as error:
                error.field = f"{self.name}[{place}].{error.field}"
                raise
        return mapped


def _reader(field: FieldMap) -> Callable[[Scope], Any]:
    if field.formula is not None:
        return parse_formula(field.formula).evaluate
    if field.sources is not None:
        paths = [parse_path(text) for text in field.sources]
        return lambda scope: [found for path in paths if (found := path.read(scope)) is not MISSING]
    if field.source is not None:
        return parse_path(field.source).read
    fixed = field.value
    return lambda scope: fixed


class FieldsMapping:
    """A list of fields, compiled."""

    __slots__ = ("_fields",)

    def __init__(self, fields: list[FieldMap]) -> None:
        self._fields = [CompiledField(field) for field in fields]

    def apply(self, scope: Scope, base: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """:param base: a record the fields are laid over; it is not changed.

        :raises MappingFailed: ``field`` names the target, ``lines[2].sku`` inside lists.
        """
        record: dict[str, Any] = dict(base) if base else {}
        for field in self._fields:
            field.fill(record, scope)
        return record


class InputMapping:
    """The input of an action: a whole record, fields, or fields over a record."""

    __slots__ = ("_fields", "_from")

    def __init__(self, spec: Input) -> None:
        self._from = parse_path(spec.from_) if spec.from_ else None
        self._fields = FieldsMapping(spec.fields) if spec.fields else None

    def apply(self, scope: Scope) -> Mapping[str, Any]:
        base: Any = {}
        if self._from is not None:
            base = self._from.read(scope)
            if not isinstance(base, Mapping):
                raise mapping_failed(self._from.text, "there is no record at this place")
        return self._fields.apply(scope, base) if self._fields is not None else base


def mapping_failed(field: str, why: str, *, code: str = "") -> MappingFailed:
    """The one way the engine says that a mapping has no good value for a field."""
    return MappingFailed(
        f"The field '{field}' could not be filled: {why}.",
        field=field,
        code=code,
        cure="Correct the record at its source, or the mapping of this field, then run it again.",
    )


def input_refused(error: ValidationError, what: str) -> MappingFailed:
    """A pydantic refusal as news for the flow's author. All fields are in the details, the first leads."""
    problems = {location(problem["loc"]): problem["msg"] for problem in error.errors(include_url=False)}
    field, why = next(iter(problems.items()))
    failed = mapping_failed(field, f"{why} ({what})")
    failed.details = {"fields": problems}
    return failed


def location(parts: tuple[int | str, ...]) -> str:
    """``("lines", 2, "sku")`` as ``lines[2].sku``."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
