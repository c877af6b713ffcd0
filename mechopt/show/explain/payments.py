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

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray, readonly, recognise
from mechopt.lp.build import compile_program
from mechopt.lp.independent.compile import Layout
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.explain.automaton import Automaton, automaton, classes, rounded
from mechopt.show.explain.play import Play, play_of
from mechopt.show.explain.programs.cells import Cells, payment_program
from mechopt.show.explain.programs.criteria import Face, best_of, first_face
from mechopt.show.explain.programs.optimal_face import best_point
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
        order, u = _best_order(first_face(small, point, cells), cells, play)
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


def _best_order(first: Face, cells: Cells, play: Play) -> tuple[tuple[str, ...], FloatArray]:
    """The order of criteria that gives the simplest table, and its solution."""
    known: dict[tuple[str, ...], Face] = {(): first}
    sizes: dict[bytes, tuple[int, int]] = {}
    best: tuple[tuple[int, int], tuple[str, ...], FloatArray] | None = None
    for order in ORDERS:
        for length in range(1, len(order) + 1):
            prefix = order[:length]
            if prefix not in known:
                before = known[prefix[:-1]]  # kept where a criterion has no bound
                known[prefix] = best_of(prefix[-1], before, cells) or before
        u = known[order].x
        key = np.round(u[: cells.count], 9).tobytes()
        if key not in sizes:
            found = automaton(play.with_payment(_by_node(u, cells)))
            sizes[key] = found.modes, different_payments(found)
        size = sizes[key]
        if best is None or size < best[0]:
            best = size, order, u
    assert best is not None
    return best[1:]


def _by_node(payments: FloatArray, cells: Cells) -> tuple[FloatArray, ...]:
    return tuple(np.where(place >= 0, payments[place], 0.0) for place in cells.place)


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
