"""From what is to be booked to the lines of a document: canonical amounts here, whole pennies in the solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connectors.base.errors import Held
from connectors.base.records import DocumentLine, LineKind
from flows.engine.documents.pennies import to_amount, to_micros, to_pennies, to_rate, vat_of
from flows.engine.documents.rules import BookingRules, nominal_of, rate_key
from flows.engine.documents.shapes import SolverLine
from flows.engine.documents.solver import Part, Problem, Solution, nearest_totals, solve

CHARGES = frozenset({LineKind.SHIPPING, LineKind.FEE, LineKind.DISCOUNT})


@dataclass(frozen=True)
class Entry:
    """One thing to book. ``net`` is the line's total (up to four decimals), ``tax_rate`` the ledger's, per cent.

    ``charge``: an amount without a quantity, which may be written as several lines.
    """

    kind: LineKind
    description: str
    quantity: int
    net: Decimal
    tax_rate: Decimal | None
    nominal: str
    product_code: str = ""
    charge: bool = False


@dataclass(frozen=True)
class Booked:
    lines: tuple[DocumentLine, ...]
    depends_on_sent_tax: bool = False

    @property
    def net(self) -> Decimal:
        return sum((line.net for line in self.lines), Decimal(0))

    @property
    def tax(self) -> Decimal:
        return sum((line.tax for line in self.lines), Decimal(0))

    @property
    def gross(self) -> Decimal:
        return self.net + self.tax


def book(
    *, entries: Sequence[Entry], taxes: Mapping[Decimal | None, Decimal], gross: Decimal, rules: BookingRules, name: str
) -> Booked:
    """Lines that come to ``gross`` and, per rate, to the nets of ``entries`` and to ``taxes``.

    A gross with more than two decimals (a shop that does not round) is booked as its nearest penny.

    :param name: of the document, for the message of a hold.
    :raises Held: no lines do; ``details`` shows the arithmetic.
    """
    problem = Problem(
        lines=[_solver_line(entry) for entry in entries],
        vat={rate_key(rate): to_micros(tax) for rate, tax in taxes.items()},
        gross=to_pennies(gross),
        arithmetic=rules.ledger_arithmetic,
        rounding_limit=to_pennies(rules.rounding_tolerance_per_line * len(entries)),
    )
    solution = solve(problem)
    if solution is None:
        raise _held(entries, taxes, gross, problem, rules, name)
    return _booked(entries, solution, rules)


def is_computed_alike(line: DocumentLine) -> bool:
    """Whether a ledger that computes VAT itself arrives at the VAT of this line."""
    return to_pennies(line.tax) == vat_of(to_pennies(line.net), to_rate(line.tax_rate))


def _solver_line(entry: Entry) -> SolverLine:
    return SolverLine(
        quantity=entry.quantity,
        net=to_micros(entry.net),
        rate=to_rate(entry.tax_rate),
        bucket=rate_key(entry.tax_rate),
        group=entry.product_code,
        charge=entry.charge,
    )


def _booked(entries: Sequence[Entry], solution: Solution, rules: BookingRules) -> Booked:
    lines = [
        _document_line(entry, part) for entry, parts in zip(entries, solution.parts, strict=True) for part in parts
    ]
    if solution.rounding:
        lines.append(_rounding_line(solution.rounding, rules))
    return Booked(tuple(lines), solution.depends_on_sent_tax)


def _document_line(entry: Entry, part: Part) -> DocumentLine:
    quantity, unit_price, tax = part
    return DocumentLine(
        description=entry.description,
        quantity=Decimal(quantity),
        unit_price=to_amount(unit_price),
        tax=to_amount(tax),
        tax_rate=entry.tax_rate,
        nominal=entry.nominal,
        product_code=entry.product_code,
        kind=entry.kind,
    )


def _rounding_line(pennies: int, rules: BookingRules) -> DocumentLine:
    return DocumentLine(
        description="Rounding",
        quantity=Decimal(1),
        unit_price=to_amount(pennies),
        tax=Decimal(0),
        tax_rate=rules.exempt_rate,
        nominal=nominal_of(LineKind.ROUNDING, rules=rules),
        kind=LineKind.ROUNDING,
    )


def _held(
    entries: Sequence[Entry],
    taxes: Mapping[Decimal | None, Decimal],
    gross: Decimal,
    problem: Problem,
    rules: BookingRules,
    name: str,
) -> Held:
    booked_net = sum((entry.net for entry in entries), Decimal(0))
    booked_tax = sum(taxes.values(), Decimal(0))
    off = gross - booked_net - booked_tax
    details: dict[str, object] = {
        "gross": str(gross),
        "lines_net": str(booked_net),
        "tax": str(booked_tax),
        "gross_minus_lines_and_tax": str(off),
        "rounding_allowed": str(to_amount(problem.rounding_limit)),
        "ledger_arithmetic": rules.ledger_arithmetic.value,
        "by_rate": _figures(entries, taxes),
        **_nearest(problem),
    }
    return Held(
        f"{name} cannot be booked to the penny: it says {gross}, its lines come to {booked_net} plus {booked_tax} VAT.",
        code="arithmetic",
        field="gross",
        cure="Correct the amounts in the shop, or book this one by hand and link it.",
        details=details,
    )


def _figures(entries: Sequence[Entry], taxes: Mapping[Decimal | None, Decimal]) -> list[dict[str, str]]:
    rates = dict.fromkeys([entry.tax_rate for entry in entries] + list(taxes))
    return [
        {
            "rate": rate_key(rate),
            "net": str(sum((entry.net for entry in entries if entry.tax_rate == rate), Decimal(0))),
            "vat": str(taxes.get(rate, Decimal(0))),
        }
        for rate in rates
    ]


def _nearest(problem: Problem) -> dict[str, object]:
    found = nearest_totals(problem)
    if found is None:
        return {"missing": "The VAT of a rate cannot be reached with the prices of its lines."}
    totals, missing = found
    return {
        "best_found": [
            {"rate": bucket, "net": str(to_amount(net)), "vat": str(to_amount(vat))}
            for bucket, (net, vat) in totals.items()
        ],
        "missing": str(to_amount(missing)),
    }
