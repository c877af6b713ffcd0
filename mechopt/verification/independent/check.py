"""Checks of constraints: the largest violation of each, and where it is; types independent across periods.

Each constraint is a function from a buyer's payoffs and a period to a difference with the axes (history, true type,
report, others' profile, future); an axis that the constraint does not have has length 1. A positive difference is a
violation: what a misreport brings for incentive constraints, a negative utility for participation. Present values
throughout; types of probability zero count. See `mechopt.mechanism.constraints` for the inequalities and
`mechopt.verification.rounding` for tolerance, rounding and the three answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.histories.reports import History
from mechopt.mechanism.constraint_names import about_outside, require_outside, require_types
from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    INDEPENDENT_CONSTRAINTS,
    INDU,
    PEIR,
    PFIR,
    PPIC,
    PPIR,
    Constraint,
    ExAnteIR,
    ExpectedContinuationIR,
    ExPostIC,
    Interim,
    PeriodicIR,
    SuperDIC,
)
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.payments import PaymentConstraint, require_agents
from mechopt.verification.allowance import split, within
from mechopt.verification.independent.exact import exact_gain
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.independent.response import Payoffs, Sizes, parts, precision
from mechopt.verification.payments.check import check_payments
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import Verdict, largest_value, tolerance_of


def _own_first(array: FloatArray, i: int) -> FloatArray:
    """``(histories, *types)`` to ``(histories, own types, others' profiles)``."""
    moved = np.moveaxis(array, 1 + i, 1)
    return moved.reshape(*moved.shape[:2], -1)


def _five(array: FloatArray, *axes: int) -> FloatArray:
    """Put the axes of an array at these places of the five, length 1 elsewhere."""
    shape = [1] * 5
    for axis, size in zip(axes, array.shape, strict=True):
        shape[axis] = size
    return array.reshape(shape)


class Difference(NamedTuple):
    """A gain, and the sum that its rounding is a share of: both of ``more - less``."""

    more: FloatArray
    less: FloatArray

    def gain(self) -> FloatArray:
        """The difference."""
        gain: FloatArray = self.more - self.less
        return gain

    def size(self) -> FloatArray:
        """The sum, of `Sizes`."""
        size: FloatArray = self.more + self.less
        return size


def _over_truth(payoffs: FloatArray, *axes: int) -> Difference:
    """Payoffs ``(history, true, report, ...)`` and what truth gives to the same type."""
    truth = np.expand_dims(np.moveaxis(np.diagonal(payoffs, axis1=1, axis2=2), -1, 1), 2)
    return Difference(_five(payoffs, *axes), _five(truth, *axes))


def _lost(utility: FloatArray, option: FloatArray | float) -> Difference:
    """Shortfall of a utility below the outside option; five axes."""
    return Difference(np.zeros_like(utility) + option, utility)


def _first(a: Payoffs, t: int) -> float:
    """The outside option at contracting, one number, in the first period; 0 later."""
    return 0.0 if t else float(a.option(0)[0])


def _dic(a: Payoffs, t: int, part: slice) -> Difference:
    return _over_truth(a.report_payoffs(t, a.continuation[t + 1], part), 0, 1, 2)


def _ppic(a: Payoffs, t: int, part: slice) -> Difference:
    return _over_truth(a.report_payoffs(t, np.zeros_like(a.continuation[t + 1]), part), 0, 1, 2)


def _ex_post(a: Payoffs, t: int, part: slice) -> Difference:
    after = a.continuation[t + 1].reshape(a.mechanism.tree.children(t))
    fixed = _own_first((after - a.payment(t))[part], a.buyer)
    sold = _own_first(a.allocation(t)[part], a.buyer)
    return _over_truth(a.value(t)[:, None, None] * sold[:, None] + fixed[:, None], 0, 1, 2, 3)


def _indu(a: Payoffs, t: int, part: slice) -> Difference:
    left = a.interim(a.continuation[t + 1].reshape(a.mechanism.tree.children(t))[part], t)
    return Difference(_five(left[:, None, :], 0, 1, 2), _five(left[:, :, None], 0, 1, 2))


def _super_dic(a: Payoffs, t: int, part: slice) -> Difference:
    """Utility now, and on the path after it: that of the whole path less that up to now."""
    shape = a.mechanism.tree.children(t)
    up_to, paths = (
        np.moveaxis(utility.reshape(*shape, -1)[part], 1 + a.buyer, 1).reshape(
            part.stop - part.start, shape[1 + a.buyer], -1, utility.size // prod(shape)
        )
        for utility in (a.realised[t + 1], a.realised[-1])
    )
    sold, paid = (_own_first(x[part], a.buyer) for x in (a.allocation(t), a.payment(t)))
    now = (a.value(t)[:, None, None] * sold[:, None] - paid[:, None])[..., None]
    truth = np.expand_dims(np.moveaxis(np.diagonal(now, axis1=1, axis2=2), -1, 1), 2)
    return Difference(now + paths[:, None] + up_to[:, :, None], truth + paths[:, :, None] + up_to[:, None])


def _epir(a: Payoffs, t: int, part: slice) -> Difference:
    paths = a.realised[t + 1].reshape(a.mechanism.tree.children(t))[part]
    return _lost(_five(_own_first(paths, a.buyer), 0, 1, 3), _first(a, 0))


def _ppir(a: Payoffs, t: int, part: slice) -> Difference:
    return _lost(_five(_own_first(a.utility(t)[part], a.buyer), 0, 1, 3), _first(a, t))


def _peir(a: Payoffs, t: int, part: slice) -> Difference:
    return _lost(_five(a.expected(a.utility(t)[part], t), 0), _first(a, t))


def _periodic(a: Payoffs, t: int, part: slice) -> Difference:
    after = a.continuation[t + 1].reshape(a.mechanism.tree.children(t))
    return _lost(_five(a.interim((a.utility(t) + after)[part], t), 0, 1), _five(a.option(t), 1))


def _expected_continuation(a: Payoffs, t: int, part: slice) -> Difference:
    expected = float(a.mechanism.environment.probabilities[a.buyer][t] @ a.option(t))
    return _lost(_five(a.continuation[t][part], 0), expected)


Gains = Callable[[Payoffs, int, slice], Difference]

GAINS: dict[Constraint, Gains] = {
    DIC(): _dic,
    ExPostIC(): _ex_post,
    PPIC(): _ppic,
    INDU(): _indu,
    SuperDIC(): _super_dic,
    EPIR(): _epir,
    PFIR(): _epir,
    PPIR(): _ppir,
    PEIR(): _peir,
    Interim(): _periodic,
    PeriodicIR(): _periodic,
    ExpectedContinuationIR(): _expected_continuation,
    ExAnteIR(): _expected_continuation,
}
"""Gains by constraint; `_periods` says in which periods they are looked at."""


def _periods(constraint: Constraint, periods: int) -> range:
    if constraint == EPIR():
        return range(periods - 1, periods)
    return range(1) if constraint in (Interim(), ExAnteIR()) else range(periods)


def _check(constraint: Constraint, agents: list[tuple[Payoffs, Sizes]], tolerance: float) -> ConstraintCheck:
    """Verdict over buyers, periods and histories."""
    mechanism, gains, verdict = agents[0][0].mechanism, GAINS[constraint], Verdict(tolerance)
    tree, rounded, places = mechanism.tree, precision(mechanism), list[tuple[int, int, int, tuple[int, ...]]]()
    for agent, sizes in agents:
        for t in _periods(constraint, tree.horizon):
            own, profiles = tree.shape[t][agent.buyer], prod(tree.shape[t])
            for part in parts(tree.count[t], own * profiles):
                gain = gains(agent, t, part).gain()
                verdict.add(gain, rounded.bound(gains(sizes, t, part).size()))
                places.append((agent.buyer, t, part.start, gain.shape))
    answer = verdict.answer
    strategy = max(agent.best_strategy_gain for agent, _ in agents) if constraint == DIC() else None
    counterexample = None
    if answer.place is not None:
        buyer, t, first, shape = places[answer.place[0]]
        where = [int(p) for p in np.unravel_index(answer.place[1], shape)]
        where[0] += first
        counterexample = _counterexample(constraint, mechanism, answer.gain, buyer, t, where)
    return ConstraintCheck.of(answer, tolerance, counterexample, strategy)


def _exact_check(constraint: Constraint, mechanism: Mechanism, tolerance: float, buyers: list[int]) -> ConstraintCheck:
    """The same in fractions, of some buyers."""
    answer, place = exact_gain(constraint, mechanism, tolerance, buyers)
    counterexample = None
    if place is not None:
        i, t, *where = place
        counterexample = _counterexample(constraint, mechanism, answer.gain, i, t, where)
    return ConstraintCheck.of(answer, tolerance, counterexample)


def _counterexample(
    constraint: Constraint, mechanism: Mechanism, gain: float, i: int, t: int, where: list[int]
) -> Counterexample:
    tree, types = mechanism.tree, mechanism.tree.shape[t]
    history, true, report, others, future = where
    typed = constraint not in (PEIR(), ExpectedContinuationIR(), ExAnteIR())
    misreports = constraint.role == "ic"
    others_profile: tuple[int, ...] | None = None
    future_path: History | None = None
    if constraint in (ExPostIC(), SuperDIC(), EPIR(), PFIR(), PPIR()):
        rest = tuple(k for j, k in enumerate(types) if j != i)
        others_profile = tuple(int(r) for r in np.unravel_index(others, rest)) if rest else ()
    if constraint == SuperDIC():
        future_path = tree.history(tree.horizon, future)[t + 1 :]  # of every node the leaves end alike
    return Counterexample(
        constraint,
        i,
        t,
        tree.history(t, history),
        true if typed else None,
        (report if misreports else true) if typed else None,
        gain,
        others_profile,
        future_path,
        mechanism.environment.outside is not None,
    )


def verify_direct(
    mechanism: Mechanism, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check a mechanism for types that are independent across periods; see `mechopt.verify`."""
    chosen = constraints or mechanism.claims or about_outside(INDEPENDENT_CONSTRAINTS, mechanism.environment)
    asked = [chosen] if isinstance(chosen, Constraint) else list(chosen)
    require_agents((c for c in asked if isinstance(c, PaymentConstraint)), mechanism.environment.agents)
    asked, allowed = split(asked, mechanism.environment.agents)
    require_types(asked, "independent")
    require_outside(asked, mechanism.environment)
    tolerance = tolerance_of(largest_value(mechanism.environment))
    agents = [(Payoffs(mechanism, i), Sizes(mechanism, i)) for i in range(mechanism.environment.agents)]

    def one(constraint: Constraint) -> ConstraintCheck:
        if isinstance(constraint, PaymentConstraint):
            return check_payments(constraint, mechanism, exact)

        def of(buyers: list[int], most: float) -> ConstraintCheck:
            if exact:
                return _exact_check(constraint, mechanism, most, buyers or list(range(len(agents))))
            return _check(constraint, [agents[i] for i in buyers] or agents, most)

        return within(allowed if constraint.role == "ic" else (), tolerance, of)

    with np.errstate(all="ignore"):
        return Report({constraint: one(constraint) for constraint in asked}, mechanism.environment)
