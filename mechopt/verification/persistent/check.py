"""Checks of notions where types move: the largest violation of each in a mechanism in sequence form, and where it is.

Each notion is a function from an agent's payoffs and a period to candidates for a violation: their gains, and beside
them slot, true type, report, reported profile and branch, in arrays that broadcast. Utilities are times the realisation
weight of the history: what is paid at histories of weight 0 (a mechanism that is a limit) counts too. See
`mechopt.mechanism.constraints` for the inequalities, `moving_response` for the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import InputError
from mechopt.core.numbers import VERIFY_TOLERANCE, Array, FloatArray, IntArray
from mechopt.histories.public import PublicTree
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
    require_types,
)
from mechopt.mechanism.direct import ALLOCATION_SLACK
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.persistent.hidden import hidden_best
from mechopt.verification.persistent.replay import Misreport, MovingCounterexample
from mechopt.verification.persistent.response import MovingPayoffs
from mechopt.verification.persistent.strategy import open_strategy
from mechopt.verification.verify import NotionCheck, Report

BoolArray = npt.NDArray[np.bool_]

NONE = np.array(-1)


class Candidates(NamedTuple):
    """Gains and where they are; -1 for what a notion does not have."""

    gain: FloatArray
    slot: Array
    true: Array
    report: Array
    profile: Array = NONE
    branch: Array = NONE

    def at(self, place: int) -> list[int]:
        """Slot, true type, report, profile and branch of one of them."""
        return [int(np.broadcast_to(part, self.gain.shape).ravel()[place]) for part in self[1:]]


def _periodic_ex_post(a: MovingPayoffs, t: int) -> Candidates:
    tree, stage = a.mechanism.tree, a.informed[t]
    gain = stage.node - stage.truth[a.group_of(t)]
    return Candidates(
        gain, tree.slot[t][:, None], np.arange(a.types(t)), tree.own(t, a.agent)[:, None], tree.profile[t][:, None]
    )


def _local(a: MovingPayoffs, t: int, steps: tuple[int, ...]) -> Candidates:
    """One misreport by one of the steps, after a history that truth leads to."""
    tree, groups = a.mechanism.tree, a.by_report[t]
    report = groups.sum(a.beliefs(t) * a.truthful[t].node)
    truth = np.full((tree.slots[t], a.types(t)), np.inf)
    truth[groups.slot, groups.member] = report[np.arange(len(report)), groups.member]
    true = np.arange(a.types(t))
    near = np.isin(groups.member[:, None] - true, steps) & _likely(a, t)[groups.slot]
    gain = np.where(near, report - truth[groups.slot], -np.inf)
    return Candidates(gain, groups.slot[:, None], true, groups.member[:, None])


def _likely(a: MovingPayoffs, t: int) -> BoolArray:
    """Whether truth leads to a slot, and then to her type, with positive probability of types; ``(slots, K)``."""
    tree, likely = a.mechanism.tree, a.own_chances(t) > 0
    if t:
        likely = likely & (tree.reach[t - 1][tree.came(t)[0]] > 0)[:, None]
    return likely


def _adjacent(a: MovingPayoffs, t: int) -> Candidates:
    return _local(a, t, (-1, 1))


def _downward(a: MovingPayoffs, t: int) -> Candidates:
    return _local(a, t, (-1,))


def _at_nodes(a: MovingPayoffs, t: int, gain: FloatArray) -> Candidates:
    """Candidates by node, or by node and recorded action."""
    tree = a.mechanism.tree
    own, slot, profile = tree.own(t, a.agent), tree.slot[t], tree.profile[t]
    if gain.ndim == 1:
        return Candidates(gain, slot, own, own, profile)
    branch = np.arange(tree.branches[t]) if tree.branches[t] > 1 else NONE
    return Candidates(gain, slot[:, None], own[:, None], own[:, None], profile[:, None], branch)


def _realised(a: MovingPayoffs, t: int) -> Candidates:
    tree = a.mechanism.tree
    return _at_nodes(a, t, np.where((tree.reach[t] > 0)[:, None], -realised(a, t), -np.inf))


def realised(a: MovingPayoffs, t: int) -> FloatArray:
    """Utility up to period t along truthful paths, times the weight of the path; ``(nodes, branches[t])``."""
    mechanism, tree, before = a.mechanism, a.mechanism.tree, np.zeros(1)
    path: FloatArray = np.zeros((0, 0))
    for s in range(t + 1):
        slot = tree.slot[s]
        mass, after = mechanism.mass(s)[slot][:, None], mechanism.recorded(s)
        share = np.full(after.shape, 1 / tree.branches[s])
        np.divide(after, mass, out=share, where=mass > ALLOCATION_SLACK)
        path = before[slot][:, None] * share + a.truthful_flow(s)
        before = path.ravel()
    return path


def _per_period(a: MovingPayoffs, t: int) -> Candidates:
    likely = (a.mechanism.tree.reach[t] > 0)[:, None]
    return _at_nodes(a, t, np.where(likely, -a.truthful_flow(t), -np.inf))


def _continuation(a: MovingPayoffs, t: int) -> Candidates:
    return _at_nodes(a, t, np.where(a.mechanism.tree.reach[t] > 0, -a.truth[t], -np.inf))


def _periodic(a: MovingPayoffs, t: int) -> Candidates:
    groups, own = a.by_report[t], a.mechanism.tree.own(t, a.agent)
    belief = a.beliefs(t)[np.arange(len(own)), own]
    gain = np.where(_likely(a, t)[groups.slot, groups.member], -groups.sum(belief * a.truth[t]), -np.inf)
    return Candidates(gain, groups.slot, groups.member, groups.member)


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


def _candidates(notion: Notion, agents: list[MovingPayoffs]) -> Iterator[tuple[int, int, Candidates]]:
    gains = GAINS[notion]
    for agent in agents:
        for t in _periods(notion, agent.mechanism.tree.horizon):
            yield agent.agent, t, gains(agent, t)


def _check(notion: Notion, agents: list[MovingPayoffs], tolerance: float) -> NotionCheck:
    """Largest gain over agents, periods and histories, the first one where there are ties."""
    gain, found = 0.0, None
    for i, t, candidates in _candidates(notion, agents):
        place = int(candidates.gain.argmax())
        if (largest := float(candidates.gain.ravel()[place])) > gain:
            gain, found = largest, (i, t, candidates.at(place))
    counterexample = None
    if gain > tolerance and found is not None:
        counterexample = _counterexample(notion, agents[0].mechanism.tree, gain, *found)
    return NotionCheck(gain <= tolerance, gain, counterexample, _strategy_gain(notion, agents))


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


def _check_bayesian(notion: BayesianIC, agents: list[MovingPayoffs], tolerance: float) -> NotionCheck:
    gain, found = 0.0, None
    for agent in agents:
        hidden = None if notion.sees == "all" else hidden_best(agent, notion.sees)
        gains = agent.strategy_gains if hidden is None else hidden.gains
        if gains.max() > gain:
            gain, found = float(gains.max()), (agent, int(gains.argmax()), hidden)
    if gain <= tolerance or found is None:
        return NotionCheck(True, gain, None, gain)
    agent, true, hidden = found
    strategy = open_strategy(agent, true) if hidden is None else hidden.strategy(true)
    return NotionCheck(False, gain, _deviation(notion, agent.agent, true, gain, strategy), gain)


def _deviation(
    notion: Notion, agent: int, true: int, gain: float, strategy: tuple[Misreport, ...]
) -> MovingCounterexample:
    at_first = [step.report for step in strategy if not step.seen]
    return MovingCounterexample(notion, agent, 0, (), true, at_first[0] if at_first else true, gain, strategy=strategy)


def money_scale(mechanism: SequenceMechanism) -> float:
    """Largest total value of an agent along a path, or largest payment where it is larger; present value."""
    process = mechanism.process
    value = sum(w * float(np.abs(v).max()) for w, v in zip(process.present_value, process.values, strict=True))
    paid = (
        w * float(np.abs(p).max(initial=0.0)) for w, p in zip(process.present_value, mechanism.payment, strict=True)
    )
    return float(max(value, *paid))


def _require_any_report(tree: PublicTree) -> None:
    if tree.reports == "any":
        return
    slots: IntArray = np.array(tree.slots)
    if any(count != slots[t] * tree.process.profiles[t] for t, count in enumerate(tree.count)):
        raise InputError(
            "notion 'periodic-ex-post-rereport' is about reports that the reported past does not allow, and the "
            'mechanism says nothing of what follows them; make it over PublicTree(process, reports="any")'
        )


def verify_sequence(mechanism: SequenceMechanism, notions: Notion | Iterable[Notion] | None = None) -> Report:
    """Check a mechanism for types that move against notions, by recursion over public histories.

    Parameters
    ----------
    mechanism : SequenceMechanism
    notions : Notion or several, optional
        Default: those that the mechanism was made for; if it names none, all for agents who see the past, without
        re-reports.

    Returns
    -------
    Report
        A mapping from notion to `NotionCheck`. A notion holds if its gain is at most `VERIFY_TOLERANCE` times the
        largest total value of an agent, or the largest payment where that is larger.

    Raises
    ------
    InputError
        If a notion is none for types that move, or asks for re-reports that the mechanism's tree does not have.
    LimitError
        If too many histories stay hidden from an agent, for `BayesianIC` with ``sees`` other than ``"all"``.

    Examples
    --------
    Sell to types 1 and 2 at a price of 2, but charge type 2 another 1/2:

    >>> from mechopt.environment.process import joint_process
    >>> from mechopt.environment.markov import MarkovTypes
    >>> env = MarkovTypes([[[0, 0], [1, 2]]], [[[1, 0], [0, 1]]], [["1/2", "1/2"]], horizon=1)
    >>> tree = PublicTree(joint_process(env))
    >>> sale = SequenceMechanism(tree, [np.array([[1, 0], [0, 1]])], [np.array([[[0], [2.5]]])])
    >>> verify_sequence(sale, BayesianIC())
    Report(bayesian: fails, gain 0.5 (agent 0, type 1 at first: a strategy that reports 0 gains 0.5))
    """
    default = [n for n in MOVING_NOTIONS if n not in (*HIDDEN, PeriodicExPostIC(rereport=True))]
    asked = [notions] if isinstance(notions, Notion) else list(notions or mechanism.notions or default)
    require_types(asked, "moving")
    if PeriodicExPostIC(rereport=True) in asked:
        _require_any_report(mechanism.tree)
    agents = [MovingPayoffs(mechanism, i) for i in range(mechanism.process.agents)]
    tolerance = VERIFY_TOLERANCE * money_scale(mechanism)
    return Report(
        {
            notion: _check_bayesian(notion, agents, tolerance)
            if isinstance(notion, BayesianIC)
            else _check(notion, agents, tolerance)
            for notion in asked
        }
    )


HIDDEN = (BayesianIC("actions"), BayesianIC("own"))
