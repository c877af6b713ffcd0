"""The verifier of mechanisms for persistent types, against plain enumeration of strategies and hand-made violations."""

import numpy as np
import pytest

from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    PERSISTENT_CONSTRAINTS,
    PFIR,
    PPIR,
    AdjacentIC,
    BayesianIC,
    DownwardIC,
    ExAnteIR,
    Interim,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
    closure,
)
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.verification.persistent import hidden as persistent_hidden
from mechopt.verification.persistent.response import PersistentPayoffs
from mechopt.verification.verify import verify
from tests.closedform.markov_instances import random_environment
from tests.reporting_strategies import FAMILIES, Game, families, random_mechanism

ALL, ACTIONS, OWN = BayesianIC(), BayesianIC("actions"), BayesianIC("own")


def likely_types(mechanism, agent):
    return np.flatnonzero(mechanism.process.initial_marginal(agent) > 0)


@families
@pytest.mark.parametrize("sees", ["all", "actions", "own"])
def test_best_response_is_the_best_of_all_strategies(family, sees):
    mechanism = random_mechanism(family, 1, sparse=sees != "all")
    gains = [
        Game(mechanism, i, sees).gain(k) for i in range(mechanism.process.agents) for k in likely_types(mechanism, i)
    ]
    check = verify(mechanism, BayesianIC(sees))[BayesianIC(sees)]
    assert check.gain == pytest.approx(max(gains), abs=1e-12)
    assert check.strategy_gain == check.gain
    assert check.holds == (max(gains) <= 1e-8)


@families
def test_gains_of_every_first_type(family):
    mechanism = random_mechanism(family, 2)
    for i in range(mechanism.process.agents):
        found = PersistentPayoffs(mechanism, i).strategy_gains
        for k in likely_types(mechanism, i):
            assert found[k] == pytest.approx(Game(mechanism, i).gain(k), abs=1e-12)


def seen(mechanism):
    report = verify(mechanism, [ALL, ACTIONS, OWN])
    return [report[constraint].gain for constraint in (ALL, ACTIONS, OWN)]


@families
def test_who_sees_less_gains_less(family):
    for seed in range(6):
        everything, actions, own = seen(random_mechanism(family, seed))
        assert everything >= actions - 1e-12 and actions >= own - 1e-12


def test_what_is_seen_matters():
    gains = np.array([seen(random_mechanism(FAMILIES["controlled"], seed)) for seed in range(4)])
    assert (gains[:, 0] > gains[:, 1] + 1e-3).any() and (gains[:, 1] > gains[:, 2] + 1e-3).any()


@families
@pytest.mark.parametrize("sparse", [False, True], ids=["all-actions", "limit"])
def test_every_counterexample_replays(family, sparse):
    rereports = family[1] == "any"
    constraints = [n for n in PERSISTENT_CONSTRAINTS if rereports or n != PeriodicExPostIC(rereport=True)]
    failed = set()
    for seed in range(3):
        mechanism = random_mechanism(family, seed, sparse)
        for constraint, check in verify(mechanism, constraints).items():
            if check.counterexample:
                failed.add(constraint)
                assert check.counterexample.replay(mechanism) == pytest.approx(check.gain, abs=1e-11), constraint
                assert check.counterexample.to_dict()["gain"] == check.gain
                assert str(check.counterexample)
    assert failed >= {ALL, PeriodicExPostIC(), EPIR(), PFIR(), PPIR(), PeriodicIR(), PeriodicExPostIR()}


@families
def test_implications_between_constraints(family):
    """On mechanisms that pay agents enough, or nothing, some constraints hold; all that they imply hold too."""
    for seed in range(3):
        plain = random_mechanism(family, seed)
        paid = [np.broadcast_to(-5.0 * plain.recorded(t), part.shape) for t, part in enumerate(plain.payment)]
        kind = SequenceMechanism(plain.tree, plain.allocation, tuple(paid))
        default = verify(kind)
        held = {constraint for constraint, check in default.items() if check.holds}
        assert {PPIR(), EPIR()} <= held
        assert {constraint for constraint in closure(held) if constraint in default} <= held


def pivot(env, change=0.0):
    """The dynamic pivot over histories; ``change`` is added to agent 0's payment at the last node of each period."""
    process, closed = joint_process(env), dynamic_pivot(env)
    tree = PublicTree(process, "any")
    policy = [np.asarray(closed.policy[t]).ravel()[tree.profile[t]] for t in range(tree.horizon)]
    paid = [
        np.array([np.asarray(closed.transfer[i][t]).ravel()[tree.profile[t]] for i in range(process.agents)])
        for t in range(tree.horizon)
    ]
    for part in paid:
        part[0, -1] += change
    return SequenceMechanism.of_policy(tree, policy, paid), closed


@pytest.mark.parametrize(
    ("counts", "actions", "horizon"),
    [((2, 3), 3, 3), ((2, 2, 2), 2, 2), (((2, 3), (3, 1), (1, 2)), 3, 3)],
    ids=["two-agents", "three-agents", "types-by-period"],
)
def test_dynamic_pivot_keeps_all_incentive_constraints(counts, actions, horizon):
    env = random_environment(counts, actions, horizon, 0.9, positive=True, costs=False)
    mechanism, closed = pivot(env)
    constraints = [n for n in PERSISTENT_CONSTRAINTS if n not in (EPIR(), PFIR(), PPIR(), ACTIONS, OWN)]
    report = verify(mechanism, constraints)
    assert report.holds, report
    assert max(check.gain for check in report.values()) < 1e-12
    assert mechanism.utilities == pytest.approx(closed.utilities)
    cheaper = verify(pivot(env, change=-1.0)[0], [ALL, PeriodicExPostIC(rereport=True)])
    assert not cheaper[PeriodicExPostIC(rereport=True)].holds


def table(payoffs, initial=(1 / 3, 1 / 3, 1 / 3)):
    """One agent, one period: report r leads to action r, worth ``payoffs[k][r]`` to type k, and nothing is paid."""
    size = len(initial)
    env = MarkovTypes([np.transpose(payoffs)], [np.eye(size)], [initial], horizon=1)
    tree = PublicTree(joint_process(env), "any")
    return SequenceMechanism(tree, [np.eye(size)], [np.zeros((1, size, 1))])


@pytest.mark.parametrize(
    ("payoffs", "kept", "gains"),
    [
        ([[0, -1, 1], [-1, 0, -1], [-1, -1, 0]], [DownwardIC(), AdjacentIC()], {ALL: 1}),
        ([[0, 1, -1], [-1, 0, -1], [-1, -1, 0]], [DownwardIC()], {ALL: 1, AdjacentIC(): 1}),
        ([[0, -1, -1], [2, 0, -1], [3, -1, 0]], [], {ALL: 3, AdjacentIC(): 2, DownwardIC(): 2}),
    ],
    ids=["only-a-far-lie-pays", "only-an-upward-lie-pays", "a-far-lie-pays-more-than-a-near-one"],
)
def test_local_constraints_see_local_lies_alone(payoffs, kept, gains):
    report = verify(table(payoffs), [ALL, AdjacentIC(), DownwardIC()])
    assert {constraint for constraint in report if report[constraint].holds} == set(kept)
    assert {constraint: report[constraint].gain for constraint in gains} == pytest.approx(gains)
    assert report[AdjacentIC()].strategy_gain == pytest.approx(gains[ALL])


def test_first_types_of_probability_zero_do_not_count_in_bayesian_constraints():
    mechanism = table([[0, -1], [3, 0]], initial=(1, 0))
    assert verify(mechanism, [ALL, ACTIONS, OWN, AdjacentIC(), DownwardIC(), Interim()]).holds


def test_two_lies_pay_where_one_does_not():
    """One agent whose two types never move, free to report anew; action 1 is worth 0 to type 0 and 1 to type 1.

    Reports (1, 0) are fined 1 and the truth is given nothing. Type 0 who reports 1 twice gets 0.5 at the end; who
    goes back to the truth loses 1. So no single lie followed by the truth pays, at first, and two do: 0.5.
    """
    env = MarkovTypes([[[0, 0], [0, 1]]], [np.eye(2)], [[1, 0]], horizon=2)
    tree = PublicTree(joint_process(env), "any")  # last nodes: reports 00, 01, 10, 11
    rows = [np.array([[1.0, 0]] * 2), np.array([[1.0, 0]] * 4)]
    mechanism = SequenceMechanism(tree, rows, [np.zeros((1, 2, 1)), np.array([[[0], [0.1], [1], [-0.5]]])])
    payoffs = PersistentPayoffs(mechanism, 0)
    stage = payoffs.truthful[0].report
    assert stage[:, 0, 0] == pytest.approx([0, -1])  # truth; a misreport, then the truth
    check = verify(mechanism, ALL)[ALL]
    assert check.gain == pytest.approx(0.5)
    assert [step.report for step in check.counterexample.strategy] == [1, 1]
    assert str(check.counterexample).endswith("reports 1 and misreports at 1 later point gains 0.5")


def fee_then_gift(now, later):
    """Two periods, one type: she pays ``now``, then gets ``later``, at no value."""
    env = MarkovTypes([[[0]]], [[[1]]], [[1]], horizon=2)
    tree = PublicTree(joint_process(env))
    return SequenceMechanism(tree, [np.ones((1, 1))] * 2, [np.full((1, 1, 1), now), np.full((1, 1, 1), -later)])


@pytest.mark.parametrize(
    ("now", "later", "kept"),
    [
        (1, 2, {EPIR(), Interim(), ExAnteIR(), PeriodicIR(), PeriodicExPostIR()}),
        (-2, -1, {EPIR(), PFIR(), Interim(), ExAnteIR()}),
        (1, 0.5, {PeriodicIR(): 0.5}),
    ],
    ids=["fee-then-gift", "gift-then-fee", "fee-above-gift"],
)
def test_participation_by_prefix_path_and_period(now, later, kept):
    report = verify(fee_then_gift(now, later), [n for n in PERSISTENT_CONSTRAINTS if n.role == "ir"])
    if isinstance(kept, dict):
        assert {constraint for constraint in report if report[constraint].holds} == set()
        assert {constraint: report[constraint].gain for constraint in kept} == pytest.approx(kept)
    else:
        assert {constraint for constraint in report if report[constraint].holds} == kept


def test_paths_of_draws_count_by_their_weight():
    """A controlled type: action 1 is drawn with probability 1/4, pays 4 now (weighted 1) and gets it back but for 1/8.

    On the path of action 1 the utility is -1/2 in money, -1/8 times its weight; the other path has nothing.
    """
    moves = [[[1, 0], [1, 0]], [[0, 1], [0, 1]]]
    env = MarkovTypes([[[0, 0], [0, 0]]], [moves], [[1, 0]], horizon=2)
    tree = PublicTree(joint_process(env))
    allocation = [np.array([[0.75, 0.25]]), np.array([[0.75, 0], [0.25, 0]])]
    payment = [np.array([[[0, 1.0]]]), np.array([[[0], [-0.875]]])]
    report = verify(SequenceMechanism(tree, allocation, payment), [EPIR(), PFIR()])
    assert report[EPIR()].gain == pytest.approx(1 / 8)
    assert report[EPIR()].counterexample.actions == (1,)
    assert report[PFIR()].gain == pytest.approx(1)
    assert report[PFIR()].counterexample.action == 1


def test_paths_of_weight_zero_share_what_was_paid():
    """Action 1 is never taken, yet fined 1; the two actions after it, never taken either, bear half each."""
    moves = [[[1, 0], [1, 0]], [[0, 1], [0, 1]]]
    env = MarkovTypes([np.zeros((2, 2))], [moves], [[1, 0]], horizon=3)
    tree = PublicTree(joint_process(env))
    allocation = [np.eye(1, 2), np.eye(2)[[0, 0]] * [[1], [0]], np.eye(2)[[0, 0, 0, 0]] * [[1], [0], [0], [0]]]
    payment = [np.array([[[0, 1.0]]]), np.zeros((1, 2, 2)), np.zeros((1, 4, 1))]
    report = verify(SequenceMechanism(tree, allocation, payment), [EPIR(), PFIR()])
    assert report[EPIR()].gain == pytest.approx(1 / 2)
    assert report[PFIR()].gain == pytest.approx(1)
    assert report[EPIR()].counterexample.actions[0] == 1


def test_payments_without_bound_are_checked_where_the_weight_is_zero():
    """Action 1 is never taken, yet a report of type 1 is paid 3 after it: a limit of mechanisms."""
    moves = [[[0.5, 0.5]] * 2, [[0.25, 0.75]] * 2]
    env = MarkovTypes([np.zeros((2, 2))], [moves], [[1, 0]], horizon=2)
    tree = PublicTree(joint_process(env))
    allocation = [np.array([[1.0, 0]]), np.array([[1.0, 0], [1, 0], [0, 0], [0, 0]])]
    payment = [np.zeros((1, 1, 2)), np.array([[[0], [0], [0], [-3.0]]])]
    mechanism = SequenceMechanism(tree, allocation, payment)
    report = verify(mechanism, [ALL, PeriodicExPostIC()])
    assert mechanism.limit
    assert report[PeriodicExPostIC()].gain == pytest.approx(3)
    assert report[ALL].gain == pytest.approx(3 / 4)  # she is type 0 then with probability 1/4


def test_tolerance_does_not_grow_with_the_payments():
    """A misreport that gains 1e-6 is a violation, whatever is paid beside."""
    for scale in (0.0, 1e4):
        mechanism = table([[0, 1e-6], [-1, 0]], initial=(0.5, 0.5))
        paid = SequenceMechanism(mechanism.tree, mechanism.allocation, [np.full((1, 2, 1), scale)])
        assert verify(paid, ALL)[ALL].status == "violated"


def test_rereports_need_a_tree_that_has_them():
    mechanism = random_mechanism(FAMILIES["moves-that-end"], 0)
    with pytest.raises(InputError, match='reports="any"'):
        verify(mechanism, PeriodicExPostIC(rereport=True))
    everything = random_mechanism(FAMILIES["controlled"], 0)  # every report is consistent there
    assert not verify(everything, PeriodicExPostIC(rereport=True)).holds


def test_constraints_of_fresh_types_are_refused():
    with pytest.raises(InputError, match="not defined for persistent types"):
        verify(random_mechanism(FAMILIES["controlled"], 0), DIC())


def test_hidden_histories_have_a_limit(monkeypatch):
    monkeypatch.setattr(persistent_hidden, "MAX_ENTRIES", 10)
    with pytest.raises(LimitError, match="which implies it"):
        verify(random_mechanism(FAMILIES["controlled"], 0), OWN)


@families
def test_periodic_ex_post_by_definition(family):
    """One-shot misreports at every history of the last but one period or later, others' types known, in loops."""
    mechanism = random_mechanism(family, 4)
    tree, worst = mechanism.tree, 0.0
    for i in range(mechanism.process.agents):
        game = Game(mechanism, i)
        sizes = mechanism.process.shape

        def best_or_true(t, slot, types, game=game, i=i, sizes=sizes):
            reports = [r for r in range(sizes[t][i]) if game.node(t, slot, types, r) is not None]
            values = {r: one_shot(t, slot, types, r) for r in reports}
            return values.get(types[i], max(values.values()))

        def one_shot(t, slot, types, report, game=game, best_or_true=best_or_true):
            after, utility = game.step(t, (slot, (), (), (), types), report)
            return utility + sum(chance * best_or_true(t + 1, point[0], point[4]) for point, chance in after)

        for t in range(tree.horizon):
            for slot, number in zip(tree.slot[t], tree.profile[t], strict=True):
                types = tuple(int(k) for k in np.unravel_index(number, sizes[t]))
                truth = one_shot(t, slot, types, types[i])
                for report in range(sizes[t][i]):
                    if game.node(t, slot, types, report) is not None:
                        worst = max(worst, one_shot(t, slot, types, report) - truth)
    check = verify(mechanism, PeriodicExPostIC())[PeriodicExPostIC()]
    assert check.gain == pytest.approx(worst, abs=1e-12)
    assert check.strategy_gain >= check.gain - 1e-12
