"""What a check of persistent types says beside its gain: its rounding, strategies, and where a misreport begins."""

from dataclasses import replace

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import LimitError
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.verification.persistent import check, hidden
from mechopt.verification.persistent.dominance import why_not_told
from mechopt.verification.persistent.hidden import hidden_best
from mechopt.verification.persistent.response import PersistentPayoffs, precision
from mechopt.verification.persistent.strategy import open_strategy
from tests.reporting_strategies import FAMILIES, families, random_mechanism
from tests.verification.test_every_place import by_period
from tests.verification.test_limits import pivot

HALF = ["1/2", "1/2"]


def in_absolute_value(mechanism):
    """Values as they are, agents paid: every sum of utilities is that of absolute values."""
    env = mechanism.environment
    values = tuple(tuple(np.abs(part) for part in row) for row in env.values)
    tree = PublicTree(joint_process(replace(env, values=values)), mechanism.tree.reports, mechanism.tree.record)
    paid = tuple(-np.abs(part) for part in mechanism.payment)
    return mo.SequenceMechanism(tree, mechanism.allocation, paid)


@families
@pytest.mark.parametrize("sees", ["all", "actions", "own"])
def test_rounding_is_a_share_of_the_gain_in_absolute_value(family, sees):
    """Of the best strategy and of truth, for a number of roundings that grows with what stays hidden."""
    mechanism, constraint = random_mechanism(family, 3), mo.BayesianIC(sees)
    large, bounds = in_absolute_value(mechanism), []
    for i in range(mechanism.process.agents):
        agent = PersistentPayoffs(large, i)
        found = None if sees == "all" else hidden_best(agent, sees)
        best, truth = (found or agent).best_and_truth
        terms = 0 if found is None else 2 * sum(level.terms for level in found.levels)
        bounds += precision(mechanism, terms).bound(best + truth)[agent.first > 0].tolist()
    rounding = mo.verify(mechanism, constraint)[constraint].rounding
    assert any(rounding == pytest.approx(bound, rel=1e-12, abs=0) for bound in bounds)


@families
def test_rounding_of_a_misreport_or_a_utility_is_a_share_of_it_in_absolute_value(family):
    mechanism = random_mechanism(family, 3)
    large = in_absolute_value(mechanism)
    for constraint, gains in check.GAINS.items():
        if constraint == mo.PeriodicExPostIC(rereport=True) and mechanism.tree.reports != "any":
            continue
        if why_not_told([constraint], mechanism.tree) is not None:
            continue
        bounds = [np.zeros(1)]
        for i in range(mechanism.process.agents):
            for t in check._periods(constraint, mechanism.tree.horizon):
                found = gains(PersistentPayoffs(large, i), t)
                bounds.append(precision(mechanism).bound(found.more + found.less).ravel())
        rounding = mo.verify(mechanism, constraint)[constraint].rounding
        assert np.isclose(np.concatenate(bounds), rounding, rtol=1e-12, atol=0).any(), constraint


def test_ties_but_for_rounding_are_told_truthfully():
    """Reports of 0 and 1 cost 3/10, written in two ways; type 2 pays nothing."""
    env = mo.MarkovTypes([[[0, 0, 0]]], [[[1, 0, 0]] * 3], [["1/2", "1/4", "1/4"]], horizon=1)
    tree = PublicTree(joint_process(env))
    paid = [np.array([[0.1 + 0.2, 0.3, 0.4]])]
    agent = PersistentPayoffs(mo.SequenceMechanism.of_policy(tree, [np.zeros(3, int)], paid), 0)
    assert agent.best[0].report.max() < 0 and open_strategy(agent, 0) == ()


def test_terms_of_hidden_histories():
    """Two agents with two types: a first report is of 2 types of the other; then 2 reports x 2 actions x 2 types."""
    mechanism = random_mechanism(FAMILIES["controlled"], 0)
    assert hidden_best(PersistentPayoffs(mechanism, 0), "own").terms == 2 + 2 * 2 * 2
    assert hidden_best(PersistentPayoffs(mechanism, 0), "actions").terms == 2 + 2 * 2


def test_strategies_of_an_honest_mechanism_gain_nothing():
    mechanism = pivot().to_sequence()
    asked = [mo.PeriodicExPostIC(), mo.AdjacentIC(), mo.DownwardIC(), mo.BayesianIC(), mo.BayesianIC("own")]
    for found in mo.verify(mechanism, asked).values():
        assert found.holds and abs(found.strategy_gain) < 1e-12
    assert all(found.strategy_gain is None for found in mo.verify(mechanism, [mo.Interim(), mo.EPIR()]).values())


@families
def test_strategies_gain_what_misreports_gain_or_more(family):
    """From any history on if the others' types are known; else from contracting on, whatever misreports are local."""
    for seed in range(3):
        mechanism = random_mechanism(family, seed)
        checks = mo.verify(mechanism, [mo.PeriodicExPostIC(), mo.AdjacentIC(), mo.DownwardIC(), mo.BayesianIC()])
        assert checks["periodic-ex-post"].strategy_gain >= checks["periodic-ex-post"].gain - 1e-12
        assert checks["adjacent"].strategy_gain == checks["bayesian"].gain == checks["downward"].strategy_gain


@pytest.mark.parametrize("exact", [False, True])
def test_a_misreport_begins_where_the_strategy_does(exact):
    """Type 0 is paid 1 for the report 1 at first, or, in another mechanism, in the second period alone."""
    env = mo.MarkovTypes([[[0, 0]]], [[[1, 0], [0, 1]]], [HALF], horizon=2)
    tree, nothing = PublicTree(joint_process(env), "any"), [np.zeros(2, int), np.zeros(4, int)]
    at_first = [np.array([[0.0, -1.0]]), np.zeros((1, 4))]
    later = [np.zeros((1, 2)), np.array([[0.0, -1.0, 0.0, 0.0]])]
    for paid, report in ((at_first, 1), (later, 0)):
        mechanism = mo.SequenceMechanism.of_policy(tree, nothing, paid)
        found = mo.verify(mechanism, mo.BayesianIC(), exact=exact)["bayesian"].counterexample
        assert (found.period, found.true_type, found.report) == (0, 0, report)
        assert [step.report for step in found.strategy] == [1]


def paid_for_reports(*sums, later=0.0):
    """One agent to whom nothing is worth anything: report r gets ``sums[r]`` at first, every report ``later`` then."""
    count = len(sums)
    env = mo.MarkovTypes([[[0] * count]], [np.eye(count).tolist()], [[f"1/{count}"] * count], horizon=2)
    tree = PublicTree(joint_process(env), "any")
    policy = [np.zeros(count, int), np.zeros(count**2, int)]
    return mo.SequenceMechanism.of_policy(tree, policy, [-np.array([sums]), np.full((1, count**2), -later)])


@pytest.mark.parametrize("sees", ["all", "own"])
def test_of_equal_reports_the_truth_is_told(sees):
    """Equal up to rounding, that is a share of 1e-12 of the largest value; a millionth of that value is a reason."""

    def misreports(mechanism, true):
        agent = PersistentPayoffs(mechanism, 0)
        found = open_strategy(agent, true) if sees == "all" else hidden_best(agent, sees).strategy(true)
        return [(step.own, step.report) for step in found]

    for true in (0, 1, 2):
        assert misreports(paid_for_reports(0, 0, 0), true) == []
        assert misreports(paid_for_reports(1, 1, 1), true) == []
        assert misreports(paid_for_reports(1, 1, 1, later=1e3), true) == []
        assert misreports(paid_for_reports(1 - 1e-13, 1 - 1e-13, 1), true) == []
        assert misreports(paid_for_reports(-1 - 1e-13, -1 - 1e-13, -1), true) == []
    assert misreports(paid_for_reports(1 - 1e-7, 1 - 1e-8, 1), 0) == [((0,), 2)]
    assert misreports(paid_for_reports(1 - 1e-7, 1 - 1e-8, 1), 2) == []
    assert misreports(paid_for_reports(0, 2, 1), 2) == [((2,), 1)]


def test_histories_of_types_and_reports_are_counted(monkeypatch):
    """Two first types and two reports, two recorded actions, three profiles of the second period."""
    mechanism = random_mechanism((by_period, "any", "relevant"), 0)
    monkeypatch.setattr(hidden, "MAX_ENTRIES", 23)
    with pytest.raises(LimitError, match="sees='own' goes through 24 histories of types and reports, above 23"):
        mo.verify(mechanism, mo.BayesianIC("own"))
    monkeypatch.setattr(hidden, "MAX_ENTRIES", 24)
    assert mo.verify(mechanism, mo.BayesianIC("own")) is not None


@pytest.mark.parametrize(("profile", "others"), [(0, (0,)), (1, (1,)), (2, (0,)), (-1, None)])
@pytest.mark.parametrize(("branch", "action"), [(0, 0), (1, 1), (-1, None)])
def test_the_first_of_all_is_named_too(profile, others, branch, action):
    """Type 0 of the other and action 0 are somebody and something; -1 is nobody and nothing."""
    tree = random_mechanism(FAMILIES["controlled"], 0).tree
    found = check._counterexample(mo.EPIR(), tree, 0.5, 0, 0, [0, 1, 1, profile, branch])
    assert (found.others, found.action, found.true_type) == (others, action, 1)


def test_what_there_is_outside_is_rounded_too():
    """In each of two periods 2 roundings for each of the most profiles of any, and 4 more."""
    kernels = [[[["1/3"] * 3] * 2], [[["1"]] * 2]]
    values = [[[[0, 0], [1, 2]], [[0] * 3, [1, 2, 3]]], [[[0, 0], [1, 1]], [[0], [1]]]]
    shares = []
    for outside in (None, [[1, 2], None]):
        env = mo.MarkovTypes(values, kernels, [HALF, HALF], horizon=2, outside=outside)
        tree = PublicTree(joint_process(env))
        m = mo.SequenceMechanism.of_policy(
            tree, [np.ones(n, int) for n in tree.count], [np.zeros((2, n)) for n in tree.count]
        )
        shares.append(precision(m).share * 2.0**52)
    assert shares[1] - shares[0] == 2 * (2 * max(2 * 2, 3 * 1) + 4)
