"""The ways one order line can be written as ledger lines: one price, or several lines whose quantities add up.

All amounts in pennies, rates as in ``pennies``. Every shape of a line keeps its quantity and books exactly the net
asked for; shapes differ in how the ledger's rounding per line treats the VAT.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from flows.engine.documents.pennies import MICROS_PER_PENNY, VAT_DIVISOR, neighbours, vat_of

EXTRA_LINE = 10**9
"""Cost of one more ledger line. Above every sum of the finer costs below, so fewer lines always win."""
SPLIT_CHARGE = 10**7
"""A charge in two lines reads worse than a product in two lines of the same product."""
SENT_PENNY = 10**6
"""A penny of VAT other than the ledger would compute."""

REACH = 50  # how many ways of cutting a quantity, or pennies cut off a charge, are tried
SMALL_REACH = 9  # the same for two cuts at once
FARTHEST_PRICE = 8  # pennies a unit price may be moved when a quantity is cut in two; less for cheap articles
PRICE_OFFSETS = sorted(
    ((low, high) for low, high in combinations(range(-FARTHEST_PRICE, FARTHEST_PRICE + 1), 2)),
    key=lambda pair: (max(map(abs, pair)), pair),
)

Shape = tuple[tuple[int, int], ...]
"""(quantity, unit price) pairs."""


class Option(NamedTuple):
    """One way to book a line: net and VAT it comes to, cost, and (quantity, unit price, VAT) of each ledger line."""

    net: int
    vat: int
    cost: int
    parts: tuple[tuple[int, int, int], ...]


class SolverLine(NamedTuple):
    """``net`` in micros. ``bucket`` names the VAT rate whose totals the line counts towards (exempt is not 0 %).

    ``group`` names the product so that lines of one product are judged together ("" = alone).
    ``charge``: shipping, fee, discount: no quantity to keep, the amount itself may be cut in two.
    """

    quantity: int
    net: int
    rate: int
    bucket: str
    group: str = ""
    charge: bool = False


def plain_options(line: SolverLine) -> list[Option]:
    """Fewest ledger lines for each net allowed, VAT as the ledger computes it."""
    return [_computed(line, net, _plainest(line.quantity, net)) for net in neighbours(line.net)]


def split_options(line: SolverLine) -> list[Option]:
    """``plain_options`` and, where a further cut moves the computed VAT by a penny, those too."""
    options = plain_options(line)
    for plain in tuple(options):
        wanted = {plain.vat - 1, plain.vat + 1} if line.rate and plain.net else set()
        for shape in _cuts(line, plain.net):
            if not wanted:
                break
            option = _computed(line, plain.net, shape)
            if option.vat in wanted:
                wanted.remove(option.vat)
                options.append(option)
    return options


def sent_options(line: SolverLine) -> list[Option]:
    """Any VAT within a penny of the rate on each ledger line, for a ledger that keeps what it is sent."""
    options: list[Option] = []
    for plain in plain_options(line):
        shapes = [tuple(part[:2] for part in plain.parts)]
        if line.charge:
            shapes += [_shared_out(plain.net, count) for count in (2, 3) if abs(plain.net) >= count]
        best: dict[int, Option] = {}
        for shape in shapes:
            for option in _sent(line, plain.net, shape):
                best.setdefault(option.vat, option)
        options.extend(best.values())
    return options


def _plainest(quantity: int, net: int) -> Shape:
    price, dearer = divmod(net, quantity)
    if not dearer:
        return ((quantity, price),)
    return (quantity - dearer, price), (dearer, price + 1)


def _computed(line: SolverLine, net: int, shape: Shape) -> Option:
    parts = tuple((quantity, price, vat_of(quantity * price, line.rate)) for quantity, price in shape)
    return Option(net, sum(part[2] for part in parts), _cost(line, net, shape), parts)


def _cost(line: SolverLine, net: int, shape: Shape) -> int:
    extra = len(shape) - 1
    return extra * EXTRA_LINE + (extra * SPLIT_CHARGE if line.charge else 0) + abs(net * MICROS_PER_PENNY - line.net)


def _cuts(line: SolverLine, net: int) -> Iterator[Shape]:
    """Shapes with one line more than needed, then with two more; each kind in a fixed order."""
    return _charge_cuts(net) if line.charge else _quantity_cuts(line.quantity, net)


def _charge_cuts(net: int) -> Iterator[Shape]:
    sign, size = (1, net) if net > 0 else (-1, -net)
    for cut in range(1, min(REACH, size - 1) + 1):
        yield (1, net - sign * cut), (1, sign * cut)
    for cut in range(1, SMALL_REACH + 1):
        for other in range(cut, SMALL_REACH + 1):
            if cut + other < size:
                yield (1, net - sign * (cut + other)), (1, sign * cut), (1, sign * other)


def _quantity_cuts(quantity: int, net: int) -> Iterator[Shape]:
    price, dearer = divmod(net, quantity)
    if not dearer:
        for cut in range(1, min(REACH, quantity // 2) + 1):
            yield (quantity - cut, price), (cut, price)
    farthest = min(FARTHEST_PRICE, 2 + price // 50)
    for low, high in PRICE_OFFSETS:
        if max(-low, high) > farthest:
            break
        # (quantity − cut) × (price + low) + cut × (price + high) = net, solved for cut.
        cut, rest = divmod(dearer - quantity * low, high - low)
        if not rest and 0 < cut < quantity and price + low >= 0:
            yield (quantity - cut, price + low), (cut, price + high)
    if not dearer:
        for cut in range(1, SMALL_REACH + 1):
            for other in range(cut, SMALL_REACH + 1):
                if cut + other < quantity:
                    yield (quantity - cut - other, price), (cut, price), (other, price)
        return
    cheap = quantity - dearer
    for cut in range(1, min(REACH, cheap // 2) + 1):
        yield (cheap - cut, price), (cut, price), (dearer, price + 1)
    for cut in range(1, min(REACH, dearer // 2) + 1):
        yield (cheap, price), (dearer - cut, price + 1), (cut, price + 1)


def _shared_out(net: int, count: int) -> Shape:
    """A charge in ``count`` parts, whole pounds where it can be: their VAT is whole too, so each bears a penny more."""
    part = abs(net) // count
    part = (part // 100 * 100 or part) * (1 if net > 0 else -1)
    return ((1, net - part * (count - 1)), *([(1, part)] * (count - 1)))


def _sent(line: SolverLine, net: int, shape: Shape) -> Iterator[Option]:
    """All VAT sums this shape can carry, the computed one first, then by distance from it."""
    computed = _computed(line, net, shape)
    yield computed
    for step in (1, -1):
        parts, cost = list(computed.parts), computed.cost
        vat = computed.vat
        while (index := _most_room(parts, line, step)) is not None:
            quantity, price, tax = parts[index]
            parts[index] = (quantity, price, tax + step)
            vat, cost = vat + step, cost + SENT_PENNY
            yield Option(net, vat, cost, tuple(parts))


def _most_room(parts: list[tuple[int, int, int]], line: SolverLine, step: int) -> int | None:
    """The ledger line whose VAT may move by ``step`` and stays nearest to its rate; None when none may."""
    best, best_error = None, VAT_DIVISOR + 1
    for index, (quantity, price, tax) in enumerate(parts):
        net = quantity * price
        if not line.rate or (not net and not line.charge):
            continue  # VAT on an exempt line, or on a free product, would be invented
        error = abs((tax + step) * VAT_DIVISOR - net * line.rate)
        if error < best_error:
            best, best_error = index, error
    return best
