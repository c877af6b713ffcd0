"""Checks of notions: the largest violation of each, and where it is.

Each notion is a function from a buyer's payoffs and a period to an array of gains with the axes (history, true type,
report, others' profile, future); an axis that the notion does not have has length 1. A positive gain is a violation:
what a misreport brings for incentive notions, a negative utility for participation notions. Present values throughout.
See `mechopt.mechanism.constraints` for the inequalities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np

from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray
from mechopt.histories.reports import History
from mechopt.mechanism.constraint_names import notion_named
from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    FRESH_NOTIONS,
    INDU,
    PEIR,
    PFIR,
    PPIC,
    PPIR,
    ExpectedContinuationIR,
    ExPostIC,
    Interim,
    Notion,
    PeriodicIR,
    SuperDIC,
)
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.independent.response import Payoffs, parts


@dataclass(frozen=True)
class NotionCheck:
    """How one notion fares.

    Attributes
    ----------
    holds : bool
        Whether ``gain`` is at most the tolerance (`VERIFY_TOLERANCE` times the largest total value of an agent).
    gain : float
        Largest violation in present value, 0 where there is none.
    counterexample : Counterexample or None
        Where the largest violation is, if the notion does not hold.
    strategy_gain : float or None
        For DIC: the largest gain of any strategy of present and later misreports. Where one-shot misreports gain
        nothing, neither do strategies. For incentive notions of types that move: that of any strategy from contracting
        on, or for periodic ex post ones from any history on, the others' current types being known; local misreports
        may gain nothing where strategies do.
    """

    holds: bool
    gain: float
    counterexample: Counterexample | None
    strategy_gain: float | None = None


class Report(Mapping[Notion, NotionCheck]):
    """Checks by notion; a notion's name serves as a key too.

    Attributes
    ----------
    holds : bool
        Whether all hold.
    """

    def __init__(self, checks: Mapping[Notion, NotionCheck]) -> None:
        self._checks = dict(checks)

    @property
    def holds(self) -> bool:
        """Whether every notion holds."""
        return all(check.holds for check in self._checks.values())

    def __getitem__(self, key: Notion | str) -> NotionCheck:
        return self._checks[notion_named(key) if isinstance(key, str) else key]

    def __iter__(self) -> Iterator[Notion]:
        return iter(self._checks)

    def __len__(self) -> int:
        return len(self._checks)

    def __repr__(self) -> str:
        lines = [
            f"{notion.name}: {'holds' if c.holds else 'fails'}, gain {c.gain:.3g}"
            + (f" ({c.counterexample})" if c.counterexample else "")
            for notion, c in self.items()
        ]
        return "Report(" + "; ".join(lines) + ")"


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


def _over_truth(payoffs: FloatArray) -> FloatArray:
    """Payoffs ``(history, true, report, ...)`` less what truth gives to the same type."""
    truth = np.diagonal(payoffs, axis1=1, axis2=2)
    return payoffs - np.expand_dims(np.moveaxis(truth, -1, 1), 2)


def _dic(a: Payoffs, t: int, part: slice) -> FloatArray:
    return _five(_over_truth(a.report_payoffs(t, a.continuation[t + 1], part)), 0, 1, 2)


def _ppic(a: Payoffs, t: int, part: slice) -> FloatArray:
    return _five(_over_truth(a.report_payoffs(t, np.zeros_like(a.continuation[t + 1]), part)), 0, 1, 2)


def _ex_post(a: Payoffs, t: int, part: slice) -> FloatArray:
    after = a.continuation[t + 1].reshape(a.mechanism.tree.children(t))
    fixed = _own_first((after - a.payment(t))[part], a.buyer)
    sold = _own_first(a.allocation(t)[part], a.buyer)
    payoffs = a.value(t)[:, None, None] * sold[:, None] + fixed[:, None]
    return _five(_over_truth(payoffs), 0, 1, 2, 3)


def _indu(a: Payoffs, t: int, part: slice) -> FloatArray:
    left = a.interim(a.continuation[t + 1].reshape(a.mechanism.tree.children(t))[part], t)
    return _five(left[:, None, :] - left[:, :, None], 0, 1, 2)


def _super_dic(a: Payoffs, t: int, part: slice) -> FloatArray:
    shape = a.mechanism.tree.children(t)
    realised, paths = a.realised[t + 1].reshape(*shape, 1), a.realised[-1].reshape(*shape, -1)
    later = np.moveaxis((paths - realised)[part], 1 + a.buyer, 1)
    later = later.reshape(*later.shape[:2], -1, later.shape[-1])
    sold, paid = (_own_first(x[part], a.buyer) for x in (a.allocation(t), a.payment(t)))
    now = a.value(t)[:, None, None] * sold[:, None] - paid[:, None]
    return _over_truth(now[..., None] + later[:, None])


def _epir(a: Payoffs, t: int, part: slice) -> FloatArray:
    paths = a.realised[t + 1].reshape(a.mechanism.tree.children(t))[part]
    return _five(-_own_first(paths, a.buyer), 0, 1, 3)


def _ppir(a: Payoffs, t: int, part: slice) -> FloatArray:
    return _five(-_own_first(a.utility(t)[part], a.buyer), 0, 1, 3)


def _peir(a: Payoffs, t: int, part: slice) -> FloatArray:
    return _five(-a.expected(a.utility(t)[part], t), 0)


def _periodic(a: Payoffs, t: int, part: slice) -> FloatArray:
    after = a.continuation[t + 1].reshape(a.mechanism.tree.children(t))
    return _five(-a.interim((a.utility(t) + after)[part], t), 0, 1)


def _expected_continuation(a: Payoffs, t: int, part: slice) -> FloatArray:
    return _five(-a.continuation[t][part], 0)


Gains = Callable[[Payoffs, int, slice], FloatArray]

GAINS: dict[Notion, Gains] = {
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
}
"""Gains by notion; `_periods` says in which periods they are looked at."""


def _periods(notion: Notion, periods: int) -> range:
    if notion == EPIR():
        return range(periods - 1, periods)
    return range(1) if notion == Interim() else range(periods)


def _check(notion: Notion, agents: list[Payoffs], tolerance: float) -> NotionCheck:
    """Largest gain over buyers, periods and histories, the first one where there are ties."""
    mechanism, gains = agents[0].mechanism, GAINS[notion]
    tree, gain, found = mechanism.tree, 0.0, None
    for agent in agents:
        for t in _periods(notion, tree.horizon):
            own, profiles = tree.shape[t][agent.buyer], prod(tree.shape[t])
            for part in parts(tree.count[t], own * profiles):
                array = gains(agent, t, part)
                place = int(array.argmax())
                if array.ravel()[place] > gain:
                    gain = float(array.ravel()[place])
                    where = [int(p) for p in np.unravel_index(place, array.shape)]
                    where[0] += part.start
                    found = (agent.buyer, t, where)
    holds = gain <= tolerance
    strategy = max(agent.best_strategy_gain for agent in agents) if notion == DIC() else None
    counterexample = None if holds or found is None else _counterexample(notion, mechanism, gain, *found)
    return NotionCheck(holds, gain, counterexample, strategy)


def _counterexample(
    notion: Notion, mechanism: Mechanism, gain: float, i: int, t: int, where: list[int]
) -> Counterexample:
    tree, types = mechanism.tree, mechanism.tree.shape[t]
    history, true, report, others, future = where
    typed = notion not in (PEIR(), ExpectedContinuationIR())
    misreports = notion.role == "ic"
    others_profile: tuple[int, ...] | None = None
    future_path: History | None = None
    if notion in (ExPostIC(), SuperDIC(), EPIR(), PFIR(), PPIR()):
        rest = tuple(k for j, k in enumerate(types) if j != i)
        others_profile = tuple(int(r) for r in np.unravel_index(others, rest)) if rest else ()
    if notion == SuperDIC():
        leaves = tree.count[-1] // tree.count[t + 1]
        future_path = tree.history(tree.horizon, future % leaves)[t + 1 :]
    return Counterexample(
        notion,
        i,
        t,
        tree.history(t, history),
        true if typed else None,
        (report if misreports else true) if typed else None,
        gain,
        others_profile,
        future_path,
    )


class Unrollable(Protocol):
    """A mechanism in a form of its own, such as a bank account mechanism, that can be written out over histories."""

    def to_mechanism(self) -> Mechanism | SequenceMechanism | MarkovMechanism:
        """Allocation and payment at every history."""
        ...


def verify(
    mechanism: Mechanism | SequenceMechanism | MarkovMechanism | Unrollable,
    notions: Notion | Iterable[Notion] | None = None,
) -> Report:
    """Check a mechanism against notions, by recursion over histories.

    Parameters
    ----------
    mechanism : Mechanism, SequenceMechanism, MarkovMechanism, or something with ``to_mechanism``
    notions : Notion or several, optional
        Default: those that the mechanism was made for, or all if it names none; see `verify_sequence` and
        `verify_markov` for types that move, and `verify_contingent` for contingent transfers.

    Returns
    -------
    Report
        A mapping from notion to `NotionCheck`; its ``holds`` is about all of them.

    Examples
    --------
    Sell to types 1 and 2 at a price of 2, but let type 2 pay 1.5 in error: type 1 does not mind, nobody misreports.
    Charge 2.5 instead and type 2 would rather report 1:

    >>> import numpy as np
    >>> from mechopt.environment.independent import IndependentTypes
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> sale = np.array([[[0.0, 1.0]]])
    >>> verify(Mechanism(env, [sale], [1.5 * sale]), [DIC(), EPIR()]).holds
    True
    >>> verify(Mechanism(env, [sale], [2.5 * sale]), DIC())
    Report(dic: fails, gain 0.5 (agent 0, period 0, after history []: type 1 reports 0 and gains 0.5))
    """
    if hasattr(mechanism, "last_payments"):
        from mechopt.verification.contingent.report import verify_contingent

        return verify_contingent(mechanism, notions)
    if not isinstance(mechanism, (Mechanism, SequenceMechanism, MarkovMechanism)):
        mechanism = mechanism.to_mechanism()
    if isinstance(mechanism, SequenceMechanism):
        from mechopt.verification.persistent.check import verify_sequence

        return verify_sequence(mechanism, notions)
    if isinstance(mechanism, MarkovMechanism):
        from mechopt.verification.stationary.check import verify_markov

        return verify_markov(mechanism, notions)
    asked = [notions] if isinstance(notions, Notion) else list(notions or mechanism.notions or FRESH_NOTIONS)
    agents = [Payoffs(mechanism, i) for i in range(mechanism.environment.agents)]
    tolerance = VERIFY_TOLERANCE * mechanism.environment.money_scale
    return Report({notion: _check(notion, agents, tolerance) for notion in asked})
