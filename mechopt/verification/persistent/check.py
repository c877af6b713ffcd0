"""Checks of constraints where types are persistent: the largest violation of each in sequence form, and where it is.

Each constraint is a function from an agent's payoffs and a period to candidates for a violation: two sums of which the
difference is the gain, and beside them slot, true type, report, reported profile and branch, in arrays that broadcast.
Utilities are times the realisation weight of the history: what is paid at histories of weight 0 (a mechanism that is a
limit) counts too. See `mechopt.mechanism.constraints` for the inequalities, `persistent_response` for the values, and
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
from mechopt.mechanism.constraint_names import about_outside, require_outside, require_types
from mechopt.mechanism.constraints import (
    EPIR,
    PERSISTENT_CONSTRAINTS,
    PFIR,
    PPIR,
    AdjacentIC,
    BayesianIC,
    Constraint,
    DominantIC,
    DownwardIC,
    ExAnteIR,
    Interim,
    MyopicIC,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.mechanism.payments import PaymentConstraint, require_agents
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.allowance import split, within
from mechopt.verification.payments.check import check_payments
from mechopt.verification.persistent.dominance import informed_of_all, require_told
from mechopt.verification.persistent.exact import exact_gain
from mechopt.verification.persistent.hidden import HiddenBest, hidden_best
from mechopt.verification.persistent.replay import Misreport, PersistentCounterexample
from mechopt.verification.persistent.response import PersistentPayoffs, PersistentSizes, precision
from mechopt.verification.persistent.strategy import open_strategy
from mechopt.verification.report import ConstraintCheck, Report
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
        """The sums, of `PersistentSizes`; 0 where not asked for."""
        return np.where(self.asked, self.more + self.less, 0.0)

    def at(self, place: int) -> list[int]:
        """Slot, true type, report, profile and branch of one of them."""
        shape = np.broadcast_shapes(self.more.shape, self.less.shape, self.asked.shape)
        return [int(np.broadcast_to(part, shape).ravel()[place]) for part in self[2:7]]


def _periodic_ex_post(a: PersistentPayoffs, t: int) -> Candidates:
    tree, stage = a.mechanism.tree, a.informed[t]
    true, told = np.arange(a.types(t)), tree.own(t, a.agent)[:, None]
    asked = tree.process.may_report(t, a.agent, true, told)
    where = tree.slot[t][:, None], true, told, tree.profile[t][:, None]
    return Candidates(stage.node, stage.truth[a.group_of(t)], *where, asked=asked)


def _local(
    a: PersistentPayoffs, t: int, steps: tuple[int, ...] | None = None, node: FloatArray | None = None
) -> Candidates:
    """One misreport by one of the steps, or by any, after a history that truth leads to."""
    tree, groups = a.mechanism.tree, a.by_report[t]
    report = groups.sum(a.beliefs(t) * (a.truthful[t].node if node is None else node))
    truth, there = np.zeros((tree.slots[t], a.types(t))), np.zeros((tree.slots[t], a.types(t)), dtype=bool)
    truth[groups.slot, groups.member] = report[np.arange(len(report)), groups.member]
    there[groups.slot, groups.member] = True
    true = np.arange(a.types(t))
    step = groups.member[:, None] - true
    near = np.isin(step, steps) if steps is not None else step != 0
    asked = near & (_likely(a, t) & there)[groups.slot]
    if steps is None:  # reports of probability 0 count for nothing
        asked &= (_likely(a, t)[groups.slot, groups.member])[:, None]
    asked &= tree.process.may_report(t, a.agent, true, groups.member[:, None])
    return Candidates(report, truth[groups.slot], groups.slot[:, None], true, groups.member[:, None], asked=asked)


def _likely(a: PersistentPayoffs, t: int) -> BoolArray:
    """Whether truth leads to a slot, and then to her type, with positive probability of types; ``(slots, K)``."""
    tree, likely = a.mechanism.tree, a.own_chances(t) > 0
    if t:
        likely = likely & tree.alive(t - 1)[tree.came(t)[0]][:, None]
    return likely


def _myopic(a: PersistentPayoffs, t: int) -> Candidates:
    return _local(a, t, None, a.stage_flow(t))


def _dominant(a: PersistentPayoffs, t: int) -> Candidates:
    """The best reports after one, on each path, where the truth can be told at the slot."""
    tree, found = a.mechanism.tree, informed_of_all(a, t)[0]
    asked = found.possible[None, :, :, None] & (found.truth > -np.inf)
    true = np.arange(a.types(t))[:, None, None]
    slot, own, profile = (part[:, None, None, None] for part in (tree.slot[t], tree.own(t, a.agent), tree.profile[t]))
    return Candidates(found.told, found.truth, slot, true, own, profile, asked=asked)


def _adjacent(a: PersistentPayoffs, t: int) -> Candidates:
    return _local(a, t, (-1, 1))


def _downward(a: PersistentPayoffs, t: int) -> Candidates:
    return _local(a, t, (-1,))


def _at_nodes(a: PersistentPayoffs, t: int, utility: FloatArray) -> Candidates:
    """Shortfall of utilities below 0, by node, or by node and recorded action; at types that truth leads to."""
    tree = a.mechanism.tree
    own, slot, profile, likely = tree.own(t, a.agent), tree.slot[t], tree.profile[t], tree.alive(t)
    nothing = np.zeros_like(utility)
    if utility.ndim == 1:
        return Candidates(nothing, utility, slot, own, own, profile, asked=likely)
    branch = np.arange(tree.branches[t]) if tree.branches[t] > 1 else NONE
    own = own[:, None]
    return Candidates(nothing, utility, slot[:, None], own, own, profile[:, None], branch, likely[:, None])


def _realised(a: PersistentPayoffs, t: int) -> Candidates:
    return _at_nodes(a, t, a.realised(t))


def _per_period(a: PersistentPayoffs, t: int) -> Candidates:
    return _at_nodes(a, t, a.truthful_flow(t))


def _continuation(a: PersistentPayoffs, t: int) -> Candidates:
    return _at_nodes(a, t, a.truth[t])


def _periodic(a: PersistentPayoffs, t: int) -> Candidates:
    groups, own = a.by_report[t], a.mechanism.tree.own(t, a.agent)
    value = groups.sum(a.beliefs(t)[np.arange(len(own)), own] * a.truth[t])
    asked = _likely(a, t)[groups.slot, groups.member]
    return Candidates(np.zeros_like(value), value, groups.slot, groups.member, groups.member, asked=asked)


def _ex_ante(a: PersistentPayoffs, t: int) -> Candidates:
    """Expected utility, everybody truthful."""
    tree = a.mechanism.tree
    value = np.atleast_1d(a.truth[0] @ tree.reach[0])
    none = np.full(1, -1)
    return Candidates(np.zeros_like(value), value, np.zeros(1, np.int64), none, none)


Gains = Callable[[PersistentPayoffs, int], Candidates]

GAINS: dict[Constraint, Gains] = {
    PeriodicExPostIC(): _periodic_ex_post,
    PeriodicExPostIC(rereport=True): _periodic_ex_post,
    AdjacentIC(): _adjacent,
    DownwardIC(): _downward,
    MyopicIC(): _myopic,
    DominantIC(): _dominant,
    DominantIC(later=True): _dominant,
    EPIR(): _realised,
    PFIR(): _realised,
    PPIR(): _per_period,
    Interim(): _periodic,
    PeriodicIR(): _periodic,
    PeriodicExPostIR(): _continuation,
    ExAnteIR(): _ex_ante,
}
"""Gains by constraint; `_periods` says in which periods they are looked at. Bayesian constraints go
by best strategies.
"""


def _periods(constraint: Constraint, periods: int) -> range:
    if constraint == EPIR():
        return range(periods - 1, periods)
    first = int(constraint == DominantIC(later=True))
    return range(1) if constraint in (Interim(), ExAnteIR()) else range(first, periods)


Agents = list[tuple[PersistentPayoffs, PersistentSizes]]


def _check(constraint: Constraint, agents: Agents, tolerance: float, rounded: Precision) -> ConstraintCheck:
    """Verdict over agents, periods and histories."""
    gains, verdict, places = GAINS[constraint], Verdict(tolerance), list[tuple[int, int, Candidates]]()
    for agent, sizes in agents:
        for t in _periods(constraint, agent.mechanism.tree.horizon):
            candidates = gains(agent, t)
            size = gains(sizes, t).size()
            verdict.add(candidates.gain(), np.where(candidates.asked, rounded.bound(size), 0.0))
            places.append((agent.agent, t, candidates))
    answer, counterexample = verdict.answer, None
    if answer.place is not None:
        i, t, candidates = places[answer.place[0]]
        where = candidates.at(answer.place[1])
        counterexample = _counterexample(constraint, agents[0][0].mechanism.tree, answer.gain, i, t, where)
    return ConstraintCheck.of(
        answer, tolerance, counterexample, _strategy_gain(constraint, [agent for agent, _ in agents])
    )


def _exact_check(
    constraint: Constraint, mechanism: SequenceMechanism, tolerance: float, some: list[int]
) -> ConstraintCheck:
    """The same in fractions, of some agents; a best strategy is shown as it is found in floats."""
    answer, place = exact_gain(constraint, mechanism, tolerance, some)
    if place is None or answer.status is Status.SATISFIED:
        return ConstraintCheck.of(answer, tolerance, None)
    i, t, *where = place
    if not isinstance(constraint, BayesianIC):
        return ConstraintCheck.of(
            answer, tolerance, _counterexample(constraint, mechanism.tree, answer.gain, i, t, where)
        )
    agent, true = PersistentPayoffs(mechanism, i), where[1]
    hidden = None if constraint.sees == "all" else hidden_best(agent, constraint.sees)
    strategy = open_strategy(agent, true) if hidden is None else hidden.strategy(true)
    return ConstraintCheck.of(answer, tolerance, _deviation(constraint, i, true, answer.gain, strategy), answer.gain)


def _strategy_gain(constraint: Constraint, agents: list[PersistentPayoffs]) -> float | None:
    if constraint.role == "ir" or isinstance(constraint, (MyopicIC, DominantIC)):
        return None
    if isinstance(constraint, PeriodicExPostIC):
        return max(_informed_strategy_gain(agent) for agent in agents)
    return max(float(agent.strategy_gains.max()) for agent in agents)


def _informed_strategy_gain(a: PersistentPayoffs) -> float:
    """Largest gain of any strategy from a history on at which her type can be reported, the others' types known."""
    worst = 0.0
    for t, (best, stage) in enumerate(zip(a.informed_best, a.informed, strict=True)):
        own, group = a.mechanism.tree.own(t, a.agent), a.group_of(t)
        worst = max(worst, float((best.best - stage.truth)[group, own].max()))
    return worst


def _counterexample(
    constraint: Constraint, tree: PublicTree, gain: float, i: int, t: int, where: list[int]
) -> PersistentCounterexample:
    slot, true, report, profile, branch = where
    past = tree.history(t, slot)
    others: tuple[int, ...] | None = None
    if profile >= 0:
        types = np.unravel_index(profile, tree.process.shape[t])
        others = tuple(int(k) for j, k in enumerate(types) if j != i)
    return PersistentCounterexample(
        constraint,
        i,
        t,
        tuple(reports for reports, _ in past),
        true if true >= 0 else None,
        report if report >= 0 else None,
        gain,
        others,
        outside=tree.process.options is not None,
        actions=tuple(action for _, action in past),
        action=branch if branch >= 0 else None,
    )


def _check_bayesian(constraint: BayesianIC, agents: Agents, tolerance: float, rounded: Precision) -> ConstraintCheck:
    verdict, found = Verdict(tolerance), list[HiddenBest | None]()
    for agent, sizes in agents:
        hidden = None if constraint.sees == "all" else hidden_best(agent, constraint.sees)
        best, truth = (agent if hidden is None else hidden).best_and_truth
        large, small = (sizes if hidden is None else hidden_best(sizes, constraint.sees)).best_and_truth
        bounded = rounded if hidden is None else precision(agent.mechanism, 2 * hidden.terms)
        verdict.add(best - truth, np.where(agent.first > 0, bounded.bound(large + small), 0.0))
        found.append(hidden)
    answer, counterexample = verdict.answer, None
    if answer.place is not None:
        (agent, _), hidden, true = agents[answer.place[0]], found[answer.place[0]], answer.place[1]
        strategy = open_strategy(agent, true) if hidden is None else hidden.strategy(true)
        counterexample = _deviation(constraint, agent.agent, true, answer.gain, strategy)
    return ConstraintCheck.of(answer, tolerance, counterexample, answer.gain)


def _deviation(
    constraint: Constraint, agent: int, true: int, gain: float, strategy: tuple[Misreport, ...]
) -> PersistentCounterexample:
    at_first = [step.report for step in strategy if not step.seen]
    return PersistentCounterexample(
        constraint, agent, 0, (), true, at_first[0] if at_first else true, gain, strategy=strategy
    )


def _require_any_report(tree: PublicTree) -> None:
    if tree.reports == "any":
        return
    slots: IntArray = np.array(tree.slots)
    if tree.process.public is not None or any(
        count != slots[t] * tree.process.profiles[t] for t, count in enumerate(tree.count)
    ):
        raise InputError(
            "constraint 'periodic-ex-post-rereport' is about reports that the reported past does not allow, and the "
            'mechanism says nothing of what follows them; make it over PublicTree(process, reports="any")'
        )


def verify_sequence(
    mechanism: SequenceMechanism, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check a mechanism for persistent types against constraints, by recursion over public histories.

    Parameters
    ----------
    mechanism : SequenceMechanism
    constraints : Constraint or several, optional
        Default: those that the mechanism was made for; if it names none, all for agents who see the past, without
        re-reports.
    exact : bool
        Decide in fractions.

    Returns
    -------
    Report
        A mapping from constraint to `ConstraintCheck`; see `mechopt.verification.rounding` for the three answers.

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
    default = [n for n in PERSISTENT_CONSTRAINTS if n not in (*HIDDEN, PeriodicExPostIC(rereport=True))]
    chosen = constraints or mechanism.claims or about_outside(default, mechanism.environment)
    asked = [chosen] if isinstance(chosen, Constraint) else list(chosen)
    require_agents((c for c in asked if isinstance(c, PaymentConstraint)), mechanism.process.agents)
    asked, allowed = split(asked, mechanism.process.agents)
    require_types(asked, "persistent")
    require_outside(asked, mechanism.environment)
    require_told(asked, mechanism.tree)
    if PeriodicExPostIC(rereport=True) in asked:
        _require_any_report(mechanism.tree)
    tolerance = tolerance_of(largest_value(mechanism.environment))
    rounded = precision(mechanism)
    agents = [(PersistentPayoffs(mechanism, i), PersistentSizes(mechanism, i)) for i in range(mechanism.process.agents)]

    def one(constraint: Constraint) -> ConstraintCheck:
        if isinstance(constraint, PaymentConstraint):
            return check_payments(constraint, mechanism, exact)

        def of(numbers: list[int], most: float) -> ConstraintCheck:
            if exact:
                return _exact_check(constraint, mechanism, most, numbers or list(range(len(agents))))
            some = [agents[i] for i in numbers] or agents
            if isinstance(constraint, BayesianIC):
                return _check_bayesian(constraint, some, most, rounded)
            return _check(constraint, some, most, rounded)

        return within(allowed if constraint.role == "ic" else (), tolerance, of)

    with np.errstate(all="ignore"):
        return Report({constraint: one(constraint) for constraint in asked}, mechanism.environment)


HIDDEN = (BayesianIC("actions"), BayesianIC("own"))
