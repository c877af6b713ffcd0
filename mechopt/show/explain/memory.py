"""How much of the past an optimal mechanism must remember, and the simplest allocation that is optimal.

The program is solved with allocations tied on all histories that agree on one thing: nothing of the past, the last
report, the first, the highest so far, and so on. What each kind of memory earns is its share of the optimum; the first
that earns all of it is kept. On the optimal face of that program welfare is maximised, then a fixed generic weighting
of the allocation, so that the answer does not depend on where a solver stops.

Ties are linear only where no action is part of the history: else the weight of an action also counts how probable its
history is, and the ladder is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, IntArray
from mechopt.lp.build import compile_program
from mechopt.lp.independent.compile import Layout
from mechopt.lp.program import LinearProgram
from mechopt.lp.substitution import substituted, tied
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.payments import Deterministic
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.explain.play import Play
from mechopt.show.explain.programs.cells import payment_program
from mechopt.show.explain.programs.optimal_face import Point, best_point, determined, optimal_face
from mechopt.show.explain.wording import percent
from mechopt.solve.problem import Problem
from mechopt.solve.program import Effort
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Status
from mechopt.verification.payments.deterministic import check_draws

if TYPE_CHECKING:
    from scipy.sparse import csr_array

if TYPE_CHECKING:
    from mechopt.lp.build import AnyLayout, AnyPlan

ALL = 1e-9
"""Share of the optimum by which the value of a kind of memory may miss it."""
SAME_OPTIMUM = 1e-6
"""Relative difference up to which a program solved again has the optimum that is explained."""
GENERIC = 0.01
"""Share of generic numbers in how actions are preferred."""
MOST_DRAWS, MOST_NODES = 120, 200
"""Probabilities of a mechanism up to which it is found out what lotteries are worth, and nodes of that search."""
MOST_ROWS = 40_000
"""Rows of a program above which the allocation is taken as the solver left it."""


@dataclass(frozen=True)
class MemoryShare:
    """Revenue of a mechanism that remembers only one thing.

    Attributes
    ----------
    memory : str
        What is remembered.
    share : float
        Of the optimum; NaN where the optimum is 0.
    value : float
    enough : bool
        Whether it earns all of it.
    """

    memory: str
    share: float
    value: float
    enough: bool


@dataclass(frozen=True)
class LotteryShare:
    """Revenue of mechanisms that draw nothing, as shares of the optimum.

    Attributes
    ----------
    lower, upper : float
        The best of them earns between these; equal where that is known for certain.
    """

    lower: float
    upper: float

    @property
    def words(self) -> str:
        """In half a sentence; nothing where lotteries earn nothing more."""
        low, high = percent(self.lower), percent(self.upper)
        if self.lower >= 1 - ALL:
            return ""
        return f"without lotteries: {low}" if low == high else f"without lotteries: from {low} to {high}"


def without_lotteries(best: Optimum, mechanism: Mechanism | SequenceMechanism) -> LotteryShare | None:
    """Revenue without drawing; None where it is not looked for, as in large programs.

    Parameters
    ----------
    best : Optimum
    mechanism : Mechanism or SequenceMechanism
        One that earns it.
    """
    if Deterministic() in best.subject_to or not abs(best.value) > ALL:
        return None
    if mechanism.source.startswith("relaxed") or sum(part.size for part in mechanism.allocation) > MOST_DRAWS:
        return None
    if check_draws(mechanism).holds:
        return LotteryShare(1.0, 1.0)
    problem = Problem(mechanism.environment, best.ic, best.ir, best.subject_to, best.objective).without_lotteries()
    from mechopt.solve.mip.optimum import deterministic_optimum

    found = deterministic_optimum(problem.plan, Effort(), MOST_NODES)
    if found.mechanism is None:
        return None
    closed = found.status is Status.OPTIMAL
    shares = sorted((found.value / best.value, (found.value if closed else found.bound.upper) / best.value))
    return LotteryShare(shares[0], shares[1])


@dataclass(frozen=True, eq=False)
class Simplest:
    """The simplest optimal allocation.

    Attributes
    ----------
    plan : AnyPlan
    layout : AnyLayout
    x : float array ``(columns,)``
        Of the program of the layout, an optimal solution.
    memory : str or None
        What it remembers; None where that was not looked for.
    shares : tuple of MemoryShare
    """

    plan: AnyPlan
    layout: AnyLayout
    x: FloatArray
    memory: str | None
    shares: tuple[MemoryShare, ...]


def plan_of(best: Optimum, form: str = "auto") -> AnyPlan:
    """The plan of the program that an optimum solves, with allocations as columns."""
    environment = best.mechanism.environment  # type: ignore[union-attr]
    asked = environment, best.ic, best.ir, best.subject_to, best.objective
    if form == "auto" and environment.kind == "independent":
        try:
            return Problem(*asked, form="utility").plan
        except InputError:
            return Problem(*asked, form="payment").plan
    return Problem(*asked, form=form).plan


def allocation_columns(layout: AnyLayout) -> list[IntArray]:
    """Columns of the allocation by period, ``(nodes, width)``: by buyer, or by action where types are persistent."""
    if isinstance(layout, Layout):
        return [block.reshape(len(block), -1).T for block in layout.columns.allocation]
    return list(layout.columns.allocation)


def welfare_weights(layout: AnyLayout, play: Play, reach: list[FloatArray]) -> FloatArray:
    """Weight of each column of the allocation in welfare, in present value; 0 for other columns."""
    weights = np.zeros(layout.columns.count)
    fresh = isinstance(layout, Layout)
    for t, columns in enumerate(allocation_columns(layout)):
        surplus = (play.values[t].sum(axis=0) - play.net_costs(t)).T[play.profile[t]]
        surplus = surplus[:, 1:] if fresh else surplus
        weights[columns] = play.present_value[t] * reach[t][:, None] * surplus
    return weights


Feature = Callable[[IntArray], IntArray]
"""From an agent's past reports ``(slots, t)`` to what is remembered of them, ``(slots, width)``."""


def _last(past: IntArray) -> IntArray:
    return past[:, -1:]


def _first(past: IntArray) -> IntArray:
    return past[:, :1]


def _highest(past: IntArray) -> IntArray:
    highest: IntArray = past.max(axis=1, keepdims=True)
    return highest


def _lowest(past: IntArray) -> IntArray:
    lowest: IntArray = past.min(axis=1, keepdims=True)
    return lowest


def _counts(past: IntArray) -> IntArray:
    return np.sort(past, axis=1)


LADDER: tuple[tuple[str, Feature, bool], ...] = (
    ("nothing of the past", lambda past: past[:, :0], False),
    ("the last report", _last, False),
    ("the first report", _first, False),
    ("the highest report so far", _highest, True),
    ("the lowest report so far", _lowest, True),
    ("the first and the last report", lambda past: np.concatenate([_first(past), _last(past)], axis=1), False),
    ("the last two reports", lambda past: past[:, -2:], False),
    ("how often each type was reported", _counts, True),
)
"""Kinds of memory, what they keep, and whether they compare reports of different periods."""


def labels(play: Play, feature: Feature) -> list[IntArray]:
    """Slots of each period by what is remembered of all agents' reports."""
    found = [np.zeros(1, dtype=np.int64)]
    for t in range(1, play.horizon):
        parts = []
        for i in range(len(play.agents)):
            own = np.stack([play.own(s, i, play.past[t][:, s]) for s in range(t)], axis=1)
            parts.append(feature(own))
        _, label = np.unique(np.concatenate(parts, axis=1), axis=0, return_inverse=True)
        found.append(np.asarray(label).ravel().astype(np.int64))
    return found


def tie_groups(play: Play, layout: AnyLayout, label: list[IntArray]) -> IntArray:
    """Groups of columns: allocations after histories of one label are one variable."""
    group = np.arange(layout.columns.count)
    for t, columns in enumerate(allocation_columns(layout)):
        keys = np.stack([label[t][play.slot[t]], play.profile[t]], axis=1)
        _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        group[columns] = columns[first[place.ravel()]]
    _, numbered = np.unique(group, return_inverse=True)
    return np.asarray(numbered).ravel()


def simplest(best: Optimum, play: Play, reach: list[FloatArray]) -> Simplest | None:
    """The simplest optimal allocation; None where the program is too large to solve again, or nothing may be drawn.

    Parameters
    ----------
    best : Optimum
    play : Play
        Of its mechanism.
    reach : list over t of float arrays ``(nodes,)``
        Probability of the types reported, given the actions recorded.
    """
    chosen = plan_of(best)
    if chosen.size.rows > MOST_ROWS or Deterministic() in best.subject_to:
        return None
    program, layout = compile_program(chosen)
    unit, welfare = layout.unit, welfare_weights(layout, play, reach)
    value, shares = best.value / unit, list[MemoryShare]()
    if not play.recorded:
        comparable = all(play.types[t] == play.types[0] for t in range(play.horizon - 1))
        for words, feature, compares in LADDER:
            if compares and not comparable:
                continue
            small, matrix, offset, point = _remembering(program, layout, play, labels(play, feature))
            if point is None:
                continue
            if point.value - value > SAME_OPTIMUM * max(abs(value), 1.0):
                return None
            enough = value - point.value <= ALL * max(abs(value), 1e-3)
            share = point.value / value if abs(value) > ALL else float("nan")
            shares.append(MemoryShare(words, share, point.value * unit, enough))
            if enough:
                costs = [np.asarray(matrix.T @ cost) for cost in (welfare, *_preferences(layout, play, welfare))]
                x = matrix @ _canonical(small, point, costs)[: matrix.shape[1]] + offset
                return Simplest(chosen, layout, x, words, tuple(shares))
    whole = best_point(program)
    if whole is None or abs(whole.value - value) > SAME_OPTIMUM * max(abs(value), 1.0):
        return None
    memory = None if play.recorded else "the whole history"
    x = _canonical(program, whole, [welfare, *_preferences(layout, play, welfare)])
    return Simplest(chosen, layout, x, memory, tuple(shares))


def _preferences(layout: AnyLayout, play: Play, welfare: FloatArray) -> list[FloatArray]:
    """Earlier actions rather than later ones, after every history alike, so that ties are broken by one rule."""
    generic, weights = np.random.default_rng(2).random((257, 61)), np.zeros(len(welfare))
    for t, columns in enumerate(allocation_columns(layout)):
        action = np.arange(columns.shape[1])[None, :]
        order = 1.5 - action / columns.shape[1]
        kind = generic[play.profile[t][:, None] % 257, action % 61]
        weights[columns] = (order + GENERIC * kind) * np.abs(welfare[columns])
    return [weights]


def _remembering(
    program: LinearProgram, layout: AnyLayout, play: Play, label: list[IntArray]
) -> tuple[LinearProgram, csr_array, FloatArray, Point | None]:
    """The program of mechanisms that remember labels alone, the way back from it, and its solution.

    Rules and payments depend on the label. Where such payments satisfy the constraints at no label (it happens with
    persistent types), payments may depend on the whole history.
    """
    small, _, matrix, offset = payment_program(program, layout, None, play, tuple(label))
    point = best_point(small)
    if point is not None:
        return small, matrix, offset, point
    matrix, offset = tied(tie_groups(play, layout, label)), np.zeros(program.size[1])
    small = substituted(program, matrix, offset)
    return small, matrix, offset, best_point(small)


def _canonical(program: LinearProgram, point: Point, costs: list[FloatArray]) -> FloatArray:
    """Largest welfare on the optimal face, then other weights in turn, then fixed generic ones."""
    costs = [np.concatenate([cost, np.zeros(len(program.cost) - len(cost))]) for cost in costs]
    generic = 0.5 + np.random.default_rng(0).random(len(program.cost))
    largest = np.abs(costs[0]).max(initial=0.0) or 1.0
    chosen = np.any([cost != 0 for cost in costs], axis=0)
    for cost in (*costs, generic * np.abs(costs[0])):
        face = replace(optimal_face(program, point), cost=cost / largest, offset=0.0)
        if determined(face)[chosen].all():
            break
        found = best_point(face)
        if found is None:
            break
        program, point = face, found
    return point.x
