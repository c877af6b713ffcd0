"""The payments that are easiest to read, of all that go with an optimal allocation.

Payments by state and report; criteria in a fixed order, each a program over the optimal face of those before, in
present value:

- subsidies: as little as possible is paid to agents;
- one price: an entry payment in period 0, then as close as possible to one price for each agent;
- losses: as seldom and as little as possible does an agent pay more than she gets in a period;
- late: as late as possible;
- prices: as close as possible to one price a period for each agent;
- largest: the largest payment is as small as possible;
- fixed generic weights, so that the answer is one.

Several orders are tried, and the one that gives the fewest modes, then the fewest different payments, is kept. Where no
payments by state are optimal (it happens with persistent types), states are told apart by the last report too, and then
by the whole history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray, readonly, recognise
from mechopt.lp.build import compile_program
from mechopt.lp.independent.compile import Layout
from mechopt.lp.program import LinearProgram
from mechopt.lp.substitution import extended
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.explain.automaton import Automaton, automaton, classes, rounded
from mechopt.show.explain.cells import Cells, payment_program
from mechopt.show.explain.optimal_face import Point, best_point, optimal_face
from mechopt.show.explain.play import Play, play_of
from mechopt.solve.result import Optimum

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from mechopt.lp.build import AnyLayout

ORDERS: tuple[tuple[str, ...], ...] = (
    ("subsidies", "one price", "losses", "late", "generic"),
    ("subsidies", "losses", "one price", "late", "generic"),
    ("subsidies", "losses", "late", "generic"),
    ("subsidies", "prices", "largest", "generic"),
)
LOST = 1e-9
"""Share of the optimum by which payments by state may miss it."""
SNAP = 1e-10
"""Relative distance within which a number is taken for the simple fraction beside it."""
MOST_CELLS = 20_000
"""Number of payments above which none are chosen anew."""


@dataclass(frozen=True, eq=False)
class Readable:
    """A mechanism with payments that can be read.

    Attributes
    ----------
    mechanism : Mechanism or SequenceMechanism
    automaton : Automaton
    order : tuple of str
        The criteria, in order.
    depends : str
        What payments depend on: ``"the state"``, ``"the state and the last report"`` or ``"the whole history"``.
    """

    mechanism: Mechanism | SequenceMechanism
    automaton: Automaton
    order: tuple[str, ...]
    depends: str


def different_payments(found: Automaton) -> int:
    """Number of different payments at histories of positive probability."""
    scale = max((float(np.abs(part).max(initial=0.0)) for part in found.play.values), default=0.0) or 1.0
    likely = [found.play.payment[t][:, found.play.reach[t] > 0].ravel() / scale for t in range(found.play.horizon)]
    return len(np.unique(np.floor(np.concatenate(likely) * 1e7 + 0.6371)))


def readable(best: Optimum, allocation: Mechanism | SequenceMechanism, layout: AnyLayout) -> Readable | None:
    """Choose payments for an optimal allocation; None where there are none without a limit, or too many.

    Parameters
    ----------
    best : Optimum
    allocation : Mechanism or SequenceMechanism
        Whose payments are left aside.
    layout : AnyLayout
        Of the program with payments as columns.
    """
    play = play_of(allocation)
    program, _ = compile_program(layout.plan)
    x = _columns(layout, allocation)
    plain = classes(play, rounded(play, payments=False))
    for depends, state in _refinements(play, plain):
        small, cells, matrix, offset = payment_program(program, layout, x, play, state)
        if cells.count > MOST_CELLS:
            return None
        point = best_point(small)
        if point is None or point.value * layout.unit < best.value - LOST * max(abs(best.value), layout.unit):
            continue
        found = _best_order(small, point, cells, play)
        if found is None:
            continue
        order, u = found
        return _built(layout, u, cells, matrix, offset, play, allocation, order, depends)
    return None


def _refinements(play: Play, plain: tuple[IntArray, ...]) -> list[tuple[str, tuple[IntArray, ...]]]:
    """States that payments may depend on, from coarse to fine."""
    last, whole = [np.zeros(1, dtype=np.int64)], [np.where(plain[0] >= 0, 0, -1)]
    for t in range(1, play.horizon):
        node, branch = play.before[t]
        last.append(play.profile[t - 1][node] * play.following[t - 1].shape[1] + branch)
        live = plain[t] >= 0
        whole.append(np.where(live, np.cumsum(live) - 1, -1))
    finer = classes(play, rounded(play, payments=False), tuple(last))
    return [("the state", plain), ("the state and the last report", finer), ("the whole history", tuple(whole))]


def _columns(layout: AnyLayout, mechanism: Mechanism | SequenceMechanism) -> FloatArray:
    """Columns of the allocation of a mechanism; 0 elsewhere."""
    x = np.zeros(layout.columns.count)
    for t, columns in enumerate(layout.columns.allocation):
        x[columns] = mechanism.allocation[t]
    return x


def _best_order(
    program: LinearProgram, point: Point, cells: Cells, play: Play
) -> tuple[tuple[str, ...], FloatArray] | None:
    """The order of criteria that gives the simplest table, and its solution."""
    known: dict[tuple[str, ...], tuple[LinearProgram, Point] | None] = {(): (program, point)}
    best: tuple[tuple[int, int], tuple[str, ...], FloatArray] | None = None
    for order in ORDERS:
        for length in range(1, len(order) + 1):
            prefix = order[:length]
            if prefix not in known:
                before = known[prefix[:-1]]
                known[prefix] = None if before is None else _criterion(prefix[-1], *before, cells)
            if known[prefix] is None:  # without bound: money can be lent freely; go on without this criterion
                known[prefix] = known[prefix[:-1]]
        reached = known[order]
        if reached is None:
            continue
        u = reached[1].x
        found = automaton(play.with_payment(_by_node(u, cells)))
        size = found.modes, different_payments(found)
        if best is None or size < best[0]:
            best = size, order, u
    return None if best is None else best[1:]


def _by_node(payments: FloatArray, cells: Cells) -> tuple[FloatArray, ...]:
    return tuple(np.where(place >= 0, payments[place], 0.0) for place in cells.place)


def _criterion(name: str, program: LinearProgram, point: Point, cells: Cells) -> tuple[LinearProgram, Point] | None:
    """The program of one criterion over the optimal face of the one before, and its solution."""
    chosen = CRITERIA[name](optimal_face(program, point), cells)
    found = best_point(chosen)
    return None if found is None else (chosen, found)


def _minimised(
    program: LinearProgram,
    weight: FloatArray,
    cells: IntArray,
    side: FloatArray,
    both: bool,
    price: IntArray | None = None,
    units: FloatArray | None = None,
    sign: float = 1.0,
) -> LinearProgram:
    """Minimise the weighted sum of max(0, sign p - side - P q), with ``both`` of its absolute value."""
    from scipy.sparse import csr_array, vstack

    old, k = len(program.cost), len(cells)
    prices = 0 if price is None else int(price.max(initial=-1)) + 1
    rows = np.arange(k)
    entries = [(rows, cells, np.full(k, -sign)), (rows, old + prices + rows, np.ones(k))]
    if price is not None and units is not None:
        entries.append((rows, old + price, units))
    row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
    matrix, lower = csr_array((value, (row, column)), shape=(k, old + prices + k)), -side
    if both:
        flipped = np.where(column >= old + prices, value, -value)
        matrix = vstack([matrix, csr_array((flipped, (row, column)), shape=matrix.shape)], format="csr")
        lower = np.concatenate([lower, side])
    columns = np.concatenate([np.full(prices, -np.inf), np.zeros(k)]), np.full(prices + k, np.inf)
    larger = extended(program, columns, matrix, lower, np.full(len(lower), np.inf))
    cost = np.zeros(old + prices + k)
    cost[old + prices :] = -weight
    return replace(larger, cost=readonly(cost), offset=0.0)


def _likely(cells: Cells) -> IntArray:
    return np.flatnonzero(cells.weight > 0)


def _subsidies(program: LinearProgram, cells: Cells) -> LinearProgram:
    at = _likely(cells)
    return _minimised(program, cells.weight[at], at, np.zeros(len(at)), False, sign=-1.0)


def _losses(program: LinearProgram, cells: Cells) -> LinearProgram:
    at = _likely(cells)
    return _minimised(program, cells.weight[at], at, cells.worth[at], False)


def _one_price(program: LinearProgram, cells: Cells) -> LinearProgram:
    at = np.flatnonzero((cells.weight > 0) & (cells.period > 0))
    return _minimised(program, cells.weight[at], at, np.zeros(len(at)), True, cells.agent[at], cells.units[at])


def _prices(program: LinearProgram, cells: Cells) -> LinearProgram:
    at = _likely(cells)
    price = cells.agent[at] * (int(cells.period.max()) + 1) + cells.period[at]
    return _minimised(program, cells.weight[at], at, np.zeros(len(at)), True, price, cells.units[at])


def _late(program: LinearProgram, cells: Cells) -> LinearProgram:
    cost = np.zeros(len(program.cost))
    cost[: cells.count] = -cells.weight * (int(cells.period.max()) + 1 - cells.period)
    return replace(program, cost=readonly(cost), offset=0.0)


def _largest(program: LinearProgram, cells: Cells) -> LinearProgram:
    from scipy.sparse import csr_array

    old, k = len(program.cost), cells.count
    row = np.concatenate([np.arange(2 * k), np.arange(2 * k)])
    column = np.concatenate([np.arange(k), np.arange(k), np.full(2 * k, old)])
    value = np.concatenate([np.full(k, -1.0), np.full(k, 1.0), np.ones(2 * k)])
    matrix = csr_array((value, (row, column)), shape=(2 * k, old + 1))
    larger = extended(program, (np.zeros(1), np.full(1, np.inf)), matrix, np.zeros(2 * k), np.full(2 * k, np.inf))
    cost = np.zeros(old + 1)
    cost[old] = -1.0
    return replace(larger, cost=readonly(cost), offset=0.0)


def _generic(program: LinearProgram, cells: Cells) -> LinearProgram:
    weight = 0.5 + np.random.default_rng(1).random(cells.count)
    return _minimised(program, weight, np.arange(cells.count), np.zeros(cells.count), True)


CRITERIA: dict[str, Callable[[LinearProgram, Cells], LinearProgram]] = {
    "subsidies": _subsidies,
    "one price": _one_price,
    "losses": _losses,
    "late": _late,
    "prices": _prices,
    "largest": _largest,
    "generic": _generic,
}


def snapped(numbers: FloatArray) -> FloatArray:
    """Numbers, each replaced by the simple fraction that it lies beside within rounding."""
    values, place = np.unique(numbers, return_inverse=True)
    simple = [recognise(value, SNAP) for value in values.tolist()]
    found = np.array([v if f is None else float(f) for v, f in zip(values, simple, strict=True)])
    return found[place].reshape(numbers.shape) + 0.0


def _built(
    layout: AnyLayout,
    u: FloatArray,
    cells: Cells,
    matrix: csr_array,
    offset: FloatArray,
    play: Play,
    allocation: Mechanism | SequenceMechanism,
    order: tuple[str, ...],
    depends: str,
) -> Readable:
    """The mechanism with these payments."""
    money = snapped(u[: cells.count] * layout.unit)
    source = f"{allocation.source}, payments by {depends}"
    built: Mechanism | SequenceMechanism
    if not isinstance(layout, Layout):
        own = u[: matrix.shape[1]].copy()
        own[: cells.count] = money / layout.unit
        built = replace(layout.mechanism(matrix @ own + offset), source=source)
    else:
        by_node = _by_node(money, cells)
        shaped = tuple(readonly(p.reshape(x.shape)) for p, x in zip(by_node, allocation.allocation, strict=True))
        built = replace(allocation, payment=shaped, source=source)
    return Readable(built, automaton(play_of(built)), order, depends)
