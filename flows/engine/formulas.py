"""Formulas: one spreadsheet-like expression over plain values, exact in decimals, safe to take from a customer.

``order.total > 100 and order.currency == 'GBP'`` · ``round(sum(order.lines, 'net') * 0.2, 2)``

The grammar is checked once, when the formula is parsed: what is not on the list below cannot be written at all, so
nothing has to be caught while it runs. Stock simpleeval lets ``'%999999999d' % 1`` and ``s.ljust(999999999)`` through;
here there are no methods, no ``%``, no ``**``, no shifts, no f-strings, no comprehensions.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal, DecimalException, DivisionByZero
from functools import lru_cache
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

from flows.engine.formula_functions import FUNCTIONS, MAX_DIGITS, MAX_RESULT, TOLERANT, FunctionFailed
from flows.engine.paths import PathError
from flows.engine.values import MISSING, as_text

MAX_LENGTH = 500
MAX_DEPTH = 40


class FormulaError(ValueError):
    """The formula cannot be read. ``position`` is the character it stumbled on, from 0."""

    def __init__(self, text: str, position: int, why: str) -> None:
        super().__init__(f"{why} (character {position + 1} of '{text[:60]}')")
        self.position = position
        self.why = why


class FormulaFailed(ValueError):
    """The formula is sound but these values do not suit it, e.g. a path leads nowhere or a text is no number."""


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > MAX_RESULT:
            raise FormulaFailed("the text would be too long")
        return left + right
    return _numbers(left, "+") + _numbers(right, "+")


def _numbers(value: Any, sign: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        hint = "; text(…) makes a text of a number" if sign == "+" else ""
        raise FormulaFailed(f"'{sign}' needs numbers, not '{as_text(value)[:40]}'{hint}")
    return value


def _arithmetic(sign: str, calculate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: calculate(_numbers(left, sign), _numbers(right, sign))


def _divide(left: Any, right: Any) -> Decimal:
    return Decimal(_numbers(left, "/")) / Decimal(_numbers(right, "/"))


def _ordered(sign: str, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def check(left: Any, right: Any) -> bool:
        try:
            return compare(left, right)
        except TypeError as error:
            raise FormulaFailed(
                f"'{sign}' cannot compare '{as_text(left)[:40]}' with '{as_text(right)[:40]}'"
            ) from error

    return check


def _contained(item: Any, container: Any) -> bool:
    if isinstance(container, str):
        return isinstance(item, str) and item in container
    if isinstance(container, (list, tuple, Mapping)):
        return item in container
    raise FormulaFailed("'in' needs a list or a text on its right")


_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: _add,
    ast.Sub: _arithmetic("-", operator.sub),
    ast.Mult: _arithmetic("*", operator.mul),
    ast.Div: _divide,
    ast.FloorDiv: lambda left, right: Decimal(_numbers(left, "//")) // Decimal(_numbers(right, "//")),
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: _ordered(">", operator.gt),
    ast.Lt: _ordered("<", operator.lt),
    ast.GtE: _ordered(">=", operator.ge),
    ast.LtE: _ordered("<=", operator.le),
    ast.Not: operator.not_,
    ast.USub: lambda value: -_numbers(value, "-"),
    ast.UAdd: lambda value: _numbers(value, "+"),
    ast.In: _contained,
    ast.NotIn: lambda item, container: not _contained(item, container),
}

_STRUCTURE = (ast.Name, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Subscript)
_ALLOWED = (*_STRUCTURE, ast.Attribute, ast.Constant, ast.List, ast.Tuple, ast.Load, ast.And, ast.Or, *_OPERATORS)
_WORDS = {
    ast.JoinedStr: "f-texts are not available",
    ast.Lambda: "functions cannot be defined in a formula",
    ast.ListComp: "loops are not available; use sum, pluck or where",
    ast.GeneratorExp: "loops are not available; use sum, pluck or where",
    ast.Pow: "'**' is not available",
    ast.Mod: "'%' is not available",
    ast.Is: "'is' is not available; write == None",
    ast.IsNot: "'is' is not available; write != None",
    ast.Slice: "slices are not available; use left(text, length)",
    ast.Starred: "'*' may only multiply",
}


class _Evaluator(SimpleEval):
    """simpleeval without everything the checked tree cannot hold. One per evaluation, so it keeps no state."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        # The parent's constructor builds two dozen bound handlers; this runs for every formula of every step.
        self.names = names
        self.operators = _OPERATORS
        self.functions = FUNCTIONS
        self.nodes = None

    def _eval(self, node: ast.AST) -> Any:
        value = _HANDLERS[type(node)](self, node)
        if value is MISSING:
            raise FormulaFailed(f"{ast.unparse(node)} is missing here; default(…, …) gives a replacement")
        return value

    def _loose(self, node: ast.AST) -> Any:
        return _HANDLERS[type(node)](self, node)

    def _eval_name(self, node: ast.Name) -> Any:
        return self.names.get(node.id, MISSING)

    def _eval_attribute(self, node: ast.Attribute) -> Any:
        return _member(self._loose(node.value), node.attr)

    def _eval_subscript(self, node: ast.Subscript) -> Any:
        return _member(self._loose(node.value), self._eval(node.slice))

    def _eval_sequence(self, node: ast.List | ast.Tuple) -> list[Any]:
        return [self._eval(item) for item in node.elts]

    def _eval_call(self, node: ast.Call) -> Any:
        name = node.func.id  # type: ignore[attr-defined]
        read = self._loose if name in TOLERANT else self._eval
        result = FUNCTIONS[name](*(read(argument) for argument in node.args))
        if isinstance(result, (str, list)) and len(result) > MAX_RESULT:
            raise FormulaFailed(f"the result of {name} is too long")
        return result


def _member(holder: Any, key: Any) -> Any:
    if holder is None or holder is MISSING:
        return holder
    if isinstance(holder, Mapping):
        return holder.get(key, MISSING)
    if isinstance(holder, list) and isinstance(key, int) and not isinstance(key, bool):
        return holder[key] if -len(holder) <= key < len(holder) else MISSING
    return MISSING


_HANDLERS: dict[type, Callable[[_Evaluator, Any], Any]] = {
    ast.Name: _Evaluator._eval_name,
    ast.Attribute: _Evaluator._eval_attribute,
    ast.Subscript: _Evaluator._eval_subscript,
    ast.List: _Evaluator._eval_sequence,
    ast.Tuple: _Evaluator._eval_sequence,
    ast.Call: _Evaluator._eval_call,
    ast.Constant: lambda evaluator, node: node.value,
    ast.UnaryOp: SimpleEval._eval_unaryop,
    ast.BinOp: SimpleEval._eval_binop,
    ast.BoolOp: SimpleEval._eval_boolop,
    ast.Compare: SimpleEval._eval_compare,
    ast.IfExp: SimpleEval._eval_ifexp,
}


class Formula:
    """A parsed formula. ``paths`` are the dotted names it reads, as far as they are constant, ``names`` their roots."""

    __slots__ = ("_tree", "names", "paths", "text")

    def __init__(self, text: str, tree: ast.expr) -> None:
        self.text = text
        self._tree = tree
        self.paths = frozenset(_paths(tree))
        self.names = frozenset(path.split(".")[0] for path in self.paths)

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """:raises FormulaFailed: in words a shop owner can follow."""
        try:
            return _Evaluator(scope)._eval(self._tree)
        except FormulaFailed:
            raise
        except (FunctionFailed, PathError, InvalidExpression) as error:
            raise FormulaFailed(str(error)) from error
        except (ZeroDivisionError, DivisionByZero) as error:
            raise FormulaFailed("division by zero") from error
        except (DecimalException, OverflowError) as error:
            raise FormulaFailed("a number is too large or too small") from error
        except (TypeError, ValueError, RecursionError) as error:
            raise FormulaFailed(f"the values do not suit the formula ({error})") from error


def _paths(tree: ast.AST) -> set[str]:
    if isinstance(tree, ast.Attribute):
        if isinstance(tree.value, (ast.Name, ast.Attribute)):
            return {f"{path}.{tree.attr}" for path in _paths(tree.value)}
        return _paths(tree.value)
    if isinstance(tree, ast.Name):
        return {tree.id}
    children = tree.args if isinstance(tree, ast.Call) else ast.iter_child_nodes(tree)
    found: set[str] = set()
    for child in children:
        found |= _paths(child)
    return found


@lru_cache(maxsize=8192)
def parse_formula(text: str) -> Formula:
    """Parse once; the result is shared and immutable.

    :raises FormulaError: with the position and what is wrong there.
    """
    source = text.strip()
    if not source:
        raise FormulaError(text, 0, "the formula is empty")
    if len(source) > MAX_LENGTH:
        raise FormulaError(source, MAX_LENGTH, f"a formula has at most {MAX_LENGTH} characters")
    if "\x00" in source or "\n" in source:
        raise FormulaError(source, 0, "a formula is one line of text")
    try:
        tree = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        # Offset 0 is how the parser says that the text ended too early.
        position = error.offset - 1 if error.offset else len(source)
        raise FormulaError(source, position, f"this cannot be read: {error.msg}") from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise FormulaError(source, 0, "the formula is nested too deeply") from error
    _check_tree(source, tree)
    return Formula(source, tree)


def _check_tree(source: str, tree: ast.expr) -> None:
    waiting: list[tuple[ast.AST, int, int]] = [(tree, 1, 0)]
    while waiting:
        node, depth, position = waiting.pop()
        position = getattr(node, "col_offset", position)
        if depth > MAX_DEPTH:
            raise FormulaError(source, position, "the formula is nested too deeply")
        _check_node(source, node, position)
        children = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
        waiting.extend((child, depth + 1, position) for child in children)


def _check_node(source: str, node: ast.AST, position: int) -> None:
    if not isinstance(node, _ALLOWED):
        raise FormulaError(source, position, _WORDS.get(type(node), f"{type(node).__name__} is not available"))
    if isinstance(node, ast.Call):
        _check_call(source, node, position)
    elif isinstance(node, ast.Constant):
        node.value = _constant(source, node, position)
    elif isinstance(node, (ast.Name, ast.Attribute)):
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name.startswith("_"):
            raise FormulaError(source, position, f"names do not begin with an underscore: {name}")


def _check_call(source: str, node: ast.Call, position: int) -> None:
    if not isinstance(node.func, ast.Name):
        raise FormulaError(source, position, "only functions can be called, values have no methods")
    if node.func.id not in FUNCTIONS:
        raise FormulaError(source, position, f"there is no function '{node.func.id}'; there are {', '.join(FUNCTIONS)}")
    if node.keywords:
        raise FormulaError(source, position, "arguments have no names")


def _constant(source: str, node: ast.Constant, position: int) -> Any:
    value = node.value
    if value is None or isinstance(value, (str, bool, Decimal)):
        return value
    if isinstance(value, (int, float)):
        # From the text, not from the float: 0.1 must be 0.1 and 1e999 must not be infinity.
        literal = ast.get_source_segment(source, node) or str(value)
        exact = Decimal(literal.replace("_", "")) if isinstance(value, float) else value
        if abs(Decimal(exact).adjusted()) > MAX_DIGITS:
            raise FormulaError(source, position, "the number is too large or too small")
        return exact
    raise FormulaError(source, position, f"{literal_name(value)} is not available")


def literal_name(value: Any) -> str:
    return {"bytes": "a byte text", "complex": "an imaginary number", "ellipsis": "'...'"}.get(
        type(value).__name__, type(value).__name__
    )
