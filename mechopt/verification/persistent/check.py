"""Checks of constraints where types are persistent: the largest violation of each in sequence form, and where it is.

Each constraint is a function from an agent's payoffs and a period to candidates for a violation: two sums of which the
difference is the gain, and beside them slot, true type, report, reported profile and branch, in arrays that broadcast.
Utilities are times the realisation weight of the history: what is paid at histories of weight 0 (a mechanism that is a
limit) counts too. See `mechopt.mechanism.constraints` for the inequalities, `moving_response` for the values, and
`mechopt.verification.rounding` for tolerance, rounding and which types count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraint_names import require_types
from mechopt.mechanism.constraints import (
    EPIR,
    MOVING_NOTIONS,
    PFIR,
    PPIR,
    AdjacentIC,
    BayesianIC,
    DownwardIC,
    Interim,
    Notion,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.mechanism.payments import PaymentConstraint, require_agents
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.dispatch import constraint_checks
from mechopt.verification.payments.check import check_payments
from mechopt.verification.persistent.exact import exact_gain
from mechopt.verification.persistent.hidden import HiddenBest, hidden_best
from mechopt.verification.persistent.replay import Misreport, MovingCounterexample
from mechopt.verification.persistent.response import MovingPayoffs, MovingSizes, precision
from mechopt.verification.persistent.strategy import open_strategy
from mechopt.verification.report import NotionCheck, Report
from mechopt.verification.rounding import Precision, Status, Verdict, largest_value, tolerance_of

BoolArray = npt.NDArray[np.bool_]

NONE = np.array(-1)


class Candidates(NamedTuple):
    """Differences that may be violations, where they are, and which of them are asked for; -1 for what there is not."""

    more: FloatArray
    less: FloatArray
    slot: Array
    true: Array
    report: Array
    profile: Array = NONE
    branch: Array = NONE
    asked: BoolArray = np.array(True)

    def gain(self) -> FloatArray:
        """The differences; minus infinity where not asked for."""
        return np.where(self.asked, self.more - self.less, -np.inf)

    def size(self) -> FloatArray:
        """The sums, of `MovingSizes`; 0 where not asked for."""
        return np.where(self.asked, self.more + self.less, 0.0)

    def at(self, place: int) -> list[int]:
        """Slot, true type, report, profile and branch of one of them."""
        shape = np.broadcast_shapes(self.more.shape, self.less.shape, self.asked.shape)
        return [int(np.broadcast_to(part, shape).ravel()[place]) for part in self[2:7]]


def _periodic_ex_post(a: MovingPayoffs, t: int) -> Candidates:
    tree, stage = a.mechanism.tree, a.informed[t]
    true, told = np.arange(a.types(t)), tree.own(t, a.agent)[:, None]
    return Candidates(
        stage.node, stage.truth[a.group_of(t)], tree.slot[t][:, None], true, told, tree.profile[t][:, None]
    )


def _local(a: MovingPayoffs, t: int, steps: tuple[int, ...]) -> Candidates:
    """One misreport by one of the steps, after a history that truth leads to."""
    tree, groups = a.mechanism.tree, a.by_report[t]
    report = groups.sum(a.beliefs(t) * a.truthful[t].node)
    truth, there = np.zeros((tree.slots[t], a.types(t))), np.zeros((tree.slots[t], a.types(t)), dtype=bool)
    truth[groups.slot, groups.member] = report[np.arange(len(report)), groups.member]
    there[groups.slot, groups.member] = True
    true = np.arange(a.types(t))
    asked = np.isin(groups.member[:, None] - true, steps) & (_likely(a, t) & there)[groups.slot]
    return Candidates(report, truth[groups.slot], groups.slot[:, None], true, groups.member[:, None], asked=asked)


def _likely(a: MovingPayoffs, t: int) -> BoolArray:
    """Whether truth leads to a slot, and then to her type, with positive probability of types; ``(slots, K)``."""
    tree, likely = a.mechanism.tree, a.own_chances(t) > 0
    if t:
        likely = likely & tree.alive(t - 1)[tree.came(t)[0]][:, None]
    return likely


def _adjacent(a: MovingPayoffs, t: int) -> Candidates:
    return _local(a, t, (-1, 1))


def _downward(a: MovingPayoffs, t: int) -> Candidates:
    return _local(a, t, (-1,))


def _at_nodes(a: MovingPayoffs, t: int, utility: FloatArray) -> Candidates:
    """What utilities are below 0, by node, or by node and recorded action; at types that truth leads to."""
    tree = a.mechanism.tree
    own, slot, profile, likely = tree.own(t, a.agent), tree.slot[t], tree.profile[t], tree.alive(t)
    nothing = np.zeros_like(utility)
    if utility.ndim == 1:
        return Candidates(nothing, utility, slot, own, own, profile, asked=likely)
    branch = np.arange(tree.branches[t]) if tree.branches[t] > 1 else NONE
    own = own[:, None]
    return Candidates(nothing, utility, slot[:, None], own, own, profile[:, None], branch, likely[:, None])


def _realised(a: MovingPayoffs, t: int) -> Candidates:
    return _at_nodes(a, t, a.realised(t))


def _per_period(a: MovingPayoffs, t: int) -> Candidates:
    return _at_nodes(a, t, a.truthful_flow(t))


def _continuation(a: MovingPayoffs, t: int) -> Candidates:
    return _at_nodes(a, t, a.truth[t])


def _periodic(a: MovingPayoffs, t: int) -> Candidates:
    groups, own = a.by_report[t], a.mechanism.tree.own(t, a.agent)
    value = groups.sum(a.beliefs(t)[np.arange(len(own)), own] * a.truth[t])
    asked = _likely(a, t)[groups.slot, groups.member]
    return Candidates(np.zeros_like(value), value, groups.slot, groups.member, groups.member, asked=asked)


Gains = Callable[[MovingPayoffs, int], Candidates]

GAINS: dict[Notion, Gains] = {
    PeriodicExPostIC(): _periodic_ex_post,
    PeriodicExPostIC(rereport=True): _periodic_ex_post,
    AdjacentIC(): _adjacent,
    DownwardIC(): _downward,
    EPIR(): _realised,
    PFIR(): _realised,
    PPIR(): _per_period,
    Interim(): _periodic,
    PeriodicIR(): _periodic,
    PeriodicExPostIR(): _continuation,
}
"""Gains by notion; `_periods` says in which periods they are looked at. Bayesian notions go by best strategies."""


def _periods(notion: Notion, periods: int) -> range:
    if notion == EPIR():
        return range(periods - 1, periods)
    return range(1) if notion == Interim() else range(periods)


Agents = list[tuple[MovingPayoffs, MovingSizes]]


def _check(notion: Notion, agents: Agents, tolerance: float, rounded: Precision) -> NotionCheck:
    """Verdict over agents, periods and histories."""
    gains, verdict, places = GAINS[notion], Verdict(tolerance), list[tuple[int, int, Candidates]]()
    for agent, sizes in agents:
        for t in _periods(notion, agent.mechanism.tree.horizon):
            candidates = gains(agent, t)
            size = gains(sizes, t).size()
            verdict.add(candidates.gain(), np.where(candidates.asked, rounded.bound(size), 0.0))
            places.append((agent.agent, t, candidates))
    answer, counterexample = verdict.answer, None
    if answer.place is not None:
        i, t, candidates = places[answer.place[0]]
        where = candidates.at(answer.place[1])
        counterexample = _counterexample(notion, agents[0][0].mechanism.tree, answer.gain, i, t, where)
    return NotionCheck.of(answer, tolerance, counterexample, _strategy_gain(notion, [agent for agent, _ in agents]))


def _exact_check(notion: Notion, mechanism: SequenceMechanism, tolerance: float) -> NotionCheck:
    """The same in fractions; a best strategy is shown as it is found in floats."""
    answer, place = exact_gain(notion, mechanism, tolerance)
    if place is None or answer.status is Status.SATISFIED:
        return NotionCheck.of(answer, tolerance, None)
    i, t, *where = place
    if not isinstance(notion, BayesianIC):
        return NotionCheck.of(answer, tolerance, _counterexample(notion, mechanism.tree, answer.gain, i, t, where))
    agent, true = MovingPayoffs(mechanism, i), where[1]
    hidden = None if notion.sees == "all" else hidden_best(agent, notion.sees)
    strategy = open_strategy(agent, true) if hidden is None else hidden.strategy(true)
    return NotionCheck.of(answer, tolerance, _deviation(notion, i, true, answer.gain, strategy), answer.gain)


def _strategy_gain(notion: Notion, agents: list[MovingPayoffs]) -> float | None:
    if notion.role == "ir":
        return None
    if isinstance(notion, PeriodicExPostIC):
        return max(_informed_strategy_gain(agent) for agent in agents)
    return max(float(agent.strategy_gains.max()) for agent in agents)


def _informed_strategy_gain(a: MovingPayoffs) -> float:
    """Largest gain of any strategy from a history on at which her type can be reported, the others' types known."""
    worst = 0.0
    for t, (best, stage) in enumerate(zip(a.informed_best, a.informed, strict=True)):
        own, group = a.mechanism.tree.own(t, a.agent), a.group_of(t)
        worst = max(worst, float((best.best - stage.truth)[group, own].max()))
    return worst


def _counterexample(
    notion: Notion, tree: PublicTree, gain: float, i: int, t: int, where: list[int]
) -> MovingCounterexample:
    slot, true, report, profile, branch = where
    past = tree.history(t, slot)
    others: tuple[int, ...] | None = None
    if profile >= 0:
        types = np.unravel_index(profile, tree.process.shape[t])
        others = tuple(int(k) for j, k in enumerate(types) if j != i)
    return MovingCounterexample(
        notion,
        i,
        t,
        tuple(reports for reports, _ in past),
        true,
        report,
        gain,
        others,
        actions=tuple(action for _, action in past),
        action=branch if branch >= 0 else None,
    )


def _check_bayesian(notion: BayesianIC, agents: Agents, tolerance: float, rounded: Precision) -> NotionCheck:
    verdict, found = Verdict(tolerance), list[HiddenBest | None]()
    for agent, sizes in agents:
        hidden = None if notion.sees == "all" else hidden_best(agent, notion.sees)
        best, truth = (agent if hidden is None else hidden).best_and_truth
        large, small = (sizes if hidden is None else hidden_best(sizes, notion.sees)).best_and_truth
        bounded = rounded if hidden is None else precision(agent.mechanism, 2 * hidden.terms)
        verdict.add(best - truth, np.where(agent.first > 0, bounded.bound(large + small), 0.0))
        found.append(hidden)
    answer, counterexample = verdict.answer, None
    if answer.place is not None:
        (agent, _), hidden, true = agents[answer.place[0]], found[answer.place[0]], answer.place[1]
        strategy = open_strategy(agent, true) if hidden is None else hidden.strategy(true)
        counterexample = _deviation(notion, agent.agent, true, answer.gain, strategy)
    return NotionCheck.of(answer, tolerance, counterexample, answer.gain)


def _deviation(
    notion: Notion, agent: int, true: int, gain: float, strategy: tuple[Misreport, ...]
) -> MovingCounterexample:
    at_first = [step.report for step in strategy if not step.seen]
    return MovingCounterexample(notion, agent, 0, (), true, at_first[0] if at_first else true, gain, strategy=strategy)


def _require_any_report(tree: PublicTree) -> None:
    if tree.reports == "any":
        return
    slots: IntArray = np.array(tree.slots)
    if any(count != slots[t] * tree.process.profiles[t] for t, count in enumerate(tree.count)):
        raise InputError(
            "notion 'periodic-ex-post-rereport' is about reports that the reported past does not allow, and the "
            'mechanism says nothing of what follows them; make it over PublicTree(process, reports="any")'
        )


@constraint_checks.register(SequenceMechanism)
def verify_sequence(
    mechanism: SequenceMechanism, constraints: Notion | Iterable[Notion] | None = None, exact: bool = False
) -> Report:
    """Check a mechanism for persistent types against constraints, by recursion over public histories.

    Parameters
    ----------
    mechanism : SequenceMechanism
    constraints : Notion or several, optional
        Default: those that the mechanism was made for; if it names none, all for agents who see the past, without
        re-reports.
    exact : bool
        Decide in fractions.

    Returns
    -------
    Report
        A mapping from constraint to `NotionCheck`; see `mechopt.verification.rounding` for the three answers.

    Raises
    ------
    InputError
        If a constraint is not defined for persistent types, or asks for re-reports that the mechanism's tree does not
        have.
    LimitError
        If too many histories stay hidden from an agent, for `BayesianIC` with ``sees`` other than ``"all"``, or there
        are too many for fractions.

    Examples
    --------
    Sell to types 1 and 2 at a price of 2, but charge type 2 another 1/2:

    >>> from mechopt.environment.process import joint_process
    >>> from mechopt.environment.markov import MarkovTypes
    >>> env = MarkovTypes([[[0, 0], [1, 2]]], [[[1, 0], [0, 1]]], [["1/2", "1/2"]], horizon=1)
    >>> tree = PublicTree(joint_process(env))
    >>> sale = SequenceMechanism(tree, [np.array([[1, 0], [0, 1]])], [np.array([[[0], [2.5]]])])
    >>> verify_sequence(sale, BayesianIC())
    Report(bayesian: violated, gain 0.5 (agent 0, type 1 at first: a strategy that reports 0 gains 0.5))
    """
    default = [n for n in MOVING_NOTIONS if n not in (*HIDDEN, PeriodicExPostIC(rereport=True))]
    chosen = constraints or mechanism.claims or default
    asked = [chosen] if isinstance(chosen, Notion) else list(chosen)
    require_types(asked, "moving")
    if PeriodicExPostIC(rereport=True) in asked:
        _require_any_report(mechanism.tree)
    tolerance = tolerance_of(largest_value(mechanism.environment))
    require_agents((c for c in asked if isinstance(c, PaymentConstraint)), mechanism.process.agents)
    rounded = precision(mechanism)
    agents = [(MovingPayoffs(mechanism, i), MovingSizes(mechanism, i)) for i in range(mechanism.process.agents)]

    def one(constraint: Notion) -> NotionCheck:
        if isinstance(constraint, PaymentConstraint):
            return check_payments(constraint, mechanism, exact)
        if exact:
            return _exact_check(constraint, mechanism, tolerance)
        if isinstance(constraint, BayesianIC):
            return _check_bayesian(constraint, agents, tolerance, rounded)
        return _check(constraint, agents, tolerance, rounded)

    with np.errstate(all="ignore"):
        return Report({constraint: one(constraint) for constraint in asked})


HIDDEN = (BayesianIC("actions"), BayesianIC("own"))
