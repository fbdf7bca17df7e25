"""The line solver: ledger lines, to the penny, that come to what the order says.

A ledger line holds a quantity, a unit price and a VAT amount, the last two with two decimals. The solver chooses for
each order line the penny its net is booked as and, where needed, cuts it into several lines of the same product, so
that net and VAT of every rate and the gross of the document are the order's, if possible also when the ledger computes
the VAT of each line itself. Method and order of preference: docs/decisions/0003-line-solver.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flows.engine.documents.pennies import neighbours
from flows.engine.documents.rules import LedgerArithmetic
from flows.engine.documents.shapes import (
    EXTRA_LINE,
    Option,
    SolverLine,
    plain_options,
    sent_options,
    split_options,
)

BEAM = 64
"""States kept per line and rate. Needed for long baskets only; below it the search is complete."""

Part = tuple[int, int, int]
"""(quantity, unit price, VAT) of one ledger line, in pennies."""
Totals = tuple[int, int]
"""(net, VAT) in pennies."""
Taken = tuple[tuple[int, Option], ...]
"""Indices of order lines with the option chosen for each."""
Choice = tuple[int, int, int, Taken]
"""(net, VAT, cost, options)."""


@dataclass(frozen=True)
class Problem:
    """``vat``: bucket → what the source states, in micros; one that is missing is 0. ``gross`` in pennies.

    ``rounding_limit``: pennies a rounding line may come to.
    """

    lines: Sequence[SolverLine]
    vat: Mapping[str, int]
    gross: int
    arithmetic: LedgerArithmetic = LedgerArithmetic.UNKNOWN
    rounding_limit: int = 0


@dataclass(frozen=True)
class Solution:
    """``parts``: for each order line its ledger lines. ``rounding``: pennies of the rounding line, 0 = none."""

    parts: tuple[tuple[Part, ...], ...]
    rounding: int = 0
    depends_on_sent_tax: bool = False


@dataclass(frozen=True)
class Reached:
    """What one rate can come to: (net, VAT) → cheapest cost and the option of each line of that rate."""

    totals: Mapping[Totals, tuple[int, Taken]]


@dataclass(frozen=True)
class Pick:
    cost: int
    rounding: int
    options: Taken


def solve(problem: Problem) -> Solution | None:
    """The best solution, None if there is none. Deterministic: equal problems give equal lines."""
    plain = _reach_all(problem, plain_options)
    pick = _combine(problem, plain, limit=0)
    if pick and pick.cost // EXTRA_LINE == _fewest_extra_lines(problem):
        return _solution(problem, pick)
    split = _reach_all(problem, split_options)
    computed = _combine(problem, split, limit=problem.rounding_limit)
    best = min((found for found in (pick, computed) if found), key=_rank, default=None)
    if best:
        return _solution(problem, best)
    if problem.arithmetic is LedgerArithmetic.RECOMPUTE:
        return None
    sent = _combine(problem, _reach_all(problem, sent_options), limit=problem.rounding_limit)
    return _solution(problem, sent, depends_on_sent_tax=True) if sent else None


def nearest_totals(problem: Problem) -> tuple[dict[str, Totals], int] | None:
    """For the explanation of a hold: totals per bucket that come nearest, and the pennies missing to the gross.

    None when some rate cannot be met at all, whatever the gross.
    """
    reached = _reach_all(problem, plain_options if problem.arithmetic is LedgerArithmetic.RECOMPUTE else sent_options)
    pick = _combine(problem, reached, limit=None)
    if not pick:
        return None
    totals: dict[str, Totals] = {}
    for index, option in pick.options:
        net, vat = totals.get(problem.lines[index].bucket, (0, 0))
        totals[problem.lines[index].bucket] = (net + option.net, vat + option.vat)
    return totals, pick.rounding


def net_choices(lines: Sequence[SolverLine]) -> tuple[int, ...]:
    """Pennies the nets of some lines may sum to."""
    return neighbours(sum(line.net for line in lines))


def _rank(pick: Pick) -> tuple[int, int]:
    return abs(pick.rounding), pick.cost


def _fewest_extra_lines(problem: Problem) -> int:
    return sum(min(option.cost for option in plain_options(line)) // EXTRA_LINE for line in problem.lines)


def _solution(problem: Problem, pick: Pick, *, depends_on_sent_tax: bool = False) -> Solution:
    parts: list[tuple[Part, ...]] = [()] * len(problem.lines)
    for index, option in pick.options:
        parts[index] = option.parts
    return Solution(tuple(parts), pick.rounding, depends_on_sent_tax)


def _reach_all(problem: Problem, options_of: Callable[[SolverLine], list[Option]]) -> list[Reached]:
    buckets: dict[str, list[int]] = {bucket: [] for bucket in problem.vat}
    for index, line in enumerate(problem.lines):
        buckets.setdefault(line.bucket, []).append(index)
    return [
        _reach(problem.lines, indices, neighbours(problem.vat.get(bucket, 0)), options_of)
        for bucket, indices in buckets.items()
    ]


def _combine(problem: Problem, reached: Sequence[Reached], *, limit: int | None) -> Pick | None:
    """One (net, VAT) per rate so that everything comes to the gross, the remainder being the rounding line."""
    sums: dict[int, tuple[int, Taken]] = {0: (0, ())}
    for rate in reached:
        further: dict[int, tuple[int, Taken]] = {}
        for gross, (cost, options) in sums.items():
            for (net, vat), (own_cost, own) in rate.totals.items():
                key, total = gross + net + vat, cost + own_cost
                if key not in further or total < further[key][0]:
                    further[key] = (total, options + own)
        sums = further
    picks = [Pick(cost, problem.gross - gross, options) for gross, (cost, options) in sums.items()]
    allowed = (pick for pick in picks if limit is None or abs(pick.rounding) <= limit)
    return min(allowed, key=_rank, default=None)


class _Unit:
    """Lines that are chosen together: a single line, or all lines of one product at one rate."""

    def __init__(self, choices: list[Choice]) -> None:
        self.choices = choices
        nets, vats = [choice[0] for choice in choices], [choice[1] for choice in choices]
        self.net_span, self.vat_span = (min(nets), max(nets)), (min(vats), max(vats))


def _units(
    lines: Sequence[SolverLine], indices: Sequence[int], options_of: Callable[[SolverLine], list[Option]]
) -> list[_Unit]:
    groups: dict[str, list[int]] = {}
    for index in indices:
        groups.setdefault(lines[index].group or f"\0{index}", []).append(index)
    return [_unit(lines, members, options_of) for members in groups.values()]


def _unit(
    lines: Sequence[SolverLine], members: Sequence[int], options_of: Callable[[SolverLine], list[Option]]
) -> _Unit:
    first, *others = members
    choices: list[Choice] = [
        (option.net, option.vat, option.cost, ((first, option),)) for option in options_of(lines[first])
    ]
    for index in others:
        best: dict[Totals, Choice] = {}
        for net, vat, cost, taken in choices:
            for option in options_of(lines[index]):
                key = (net + option.net, vat + option.vat)
                total = cost + option.cost
                if key not in best or total < best[key][2]:
                    best[key] = (*key, total, (*taken, (index, option)))
        choices = list(best.values())
    if others:
        allowed = net_choices([lines[index] for index in members])
        choices = [choice for choice in choices if choice[0] in allowed]
    return _Unit(choices)


def _reach(
    lines: Sequence[SolverLine],
    indices: Sequence[int],
    vats: Sequence[int],
    options_of: Callable[[SolverLine], list[Option]],
) -> Reached:
    """Walk the units of one rate, keeping per (net, VAT) so far the cheapest way there."""
    nets = net_choices([lines[index] for index in indices])
    # Lines without a choice first: what they leave to mend is then known while there still are choices.
    units = sorted(_units(lines, indices, options_of), key=lambda unit: len(unit.choices) > 1)
    windows = _windows(units, nets, vats)
    states: dict[Totals, tuple[int, tuple]] = {(0, 0): (0, ())}
    for unit, window in zip(units, windows[1:], strict=True):
        states = _step(states, unit, window)
    totals = {key: (cost, _unwind(trail)) for key, (cost, trail) in states.items() if key[0] in nets and key[1] in vats}
    return Reached(totals)


def _step(
    states: Mapping[Totals, tuple[int, tuple]], unit: _Unit, window: tuple[int, int, int, int]
) -> dict[Totals, tuple[int, tuple]]:
    low_net, high_net, low_vat, high_vat = window
    further: dict[Totals, tuple[int, tuple]] = {}
    for (net, vat), (cost, trail) in states.items():
        for own_net, own_vat, own_cost, taken in unit.choices:
            key = (net + own_net, vat + own_vat)
            if not (low_net <= key[0] <= high_net and low_vat <= key[1] <= high_vat):
                continue
            total = cost + own_cost
            if key not in further or total < further[key][0]:
                further[key] = (total, (trail, taken))
    return _trim(further, window) if len(further) > BEAM else further


def _trim(
    states: dict[Totals, tuple[int, tuple]], window: tuple[int, int, int, int]
) -> dict[Totals, tuple[int, tuple]]:
    """Keep the states nearest to the middle of what can still end well; ties by cost, then by totals."""
    net_middle, vat_middle = window[0] + window[1], window[2] + window[3]

    def distance(entry: tuple[Totals, tuple[int, tuple]]) -> tuple[int, int, Totals]:
        (net, vat), (cost, _) = entry
        return abs(2 * net - net_middle) + abs(2 * vat - vat_middle), cost, (net, vat)

    return dict(sorted(states.items(), key=distance)[:BEAM])


def _windows(units: Sequence[_Unit], nets: Sequence[int], vats: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """After each unit: the sums from which the units to come can still reach the targets."""
    window = (min(nets), max(nets), min(vats), max(vats))
    windows = [window]
    for unit in reversed(units):
        low_net, high_net, low_vat, high_vat = window
        window = (
            low_net - unit.net_span[1],
            high_net - unit.net_span[0],
            low_vat - unit.vat_span[1],
            high_vat - unit.vat_span[0],
        )
        windows.append(window)
    return windows[::-1]


def _unwind(trail: tuple) -> Taken:
    taken: list[tuple[int, Option]] = []
    while trail:
        trail, choice = trail
        taken.extend(choice)
    return tuple(taken)
