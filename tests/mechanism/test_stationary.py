"""Mechanisms of current reports: values by dense equations and over histories, checks, files, bad input."""

import zipfile
from functools import reduce

import numpy as np
import pytest

from mechopt.closedform.pivot.dynamic_pivot import dynamic_pivot
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism import stationary as markov_mechanism
from mechopt.mechanism.archive import load_mechanism
from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    PPIR,
    BayesianIC,
    Interim,
    PeriodicExPostIC,
    PeriodicExPostIR,
    PeriodicIR,
)
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification.verify import verify
from tests.closedform.markov_instances import CASES, environments, profiles, random_environment
from tests.reporting_strategies import moves_that_end, never_high_first

CONSTRAINTS = [PeriodicExPostIC(), PeriodicExPostIC(rereport=True), PeriodicExPostIR(), PeriodicIR(), Interim(), PPIR()]


def random_mechanism(env, seed=0, early=2):
    """Any policy and transfers; with an infinite horizon ``early`` periods have their own."""
    rng = np.random.default_rng(seed)
    policy = [rng.integers(count, size=shape) for shape, count in zip(env.shape, env.action_counts, strict=True)]
    periods = early + 1 if env.infinite else env.stages
    shapes = [env.shape[0 if env.infinite else t] for t in range(periods)]
    return MarkovMechanism(env, policy, [[rng.normal(size=shape) for shape in shapes] for _ in range(env.agents)])


def simulated(mechanism, i, types, periods=2000):
    """Discounted utility of agent i from a profile on, by moving the distribution of whole profiles forward."""
    env, distribution = mechanism.environment, np.zeros(mechanism.policy[0].shape)
    distribution[types], total = 1.0, 0.0
    for t in range(periods if env.infinite else env.stages):
        s = mechanism.stage(t)
        following = np.zeros(env.shape[0 if env.infinite else min(t + 1, env.stages - 1)])
        for th in profiles(env, s):
            action = mechanism.policy[s][th]
            paid = mechanism.transfer[i][min(t, mechanism.periods - 1)][th]
            total += env.discount**t * distribution[th] * (env.values[i][s][action, th[i]] - paid)
            if env.infinite or t + 1 < env.stages:
                rows = [env.kernel[j][s][action, k] for j, k in enumerate(th)]
                following = following + distribution[th] * reduce(np.multiply.outer, rows)
        distribution = following
    return total


@environments
def test_values_of_truth(env):
    mechanism, types = random_mechanism(env), profiles(env, 0)[-1]
    periods = 1000 if env.discount > 0.9 else 250  # what is left is below 1e-12
    for i in range(env.agents):
        assert mechanism.continuation[i][0][types] == pytest.approx(simulated(mechanism, i, types, periods), abs=1e-9)


@environments
def test_welfare_is_revenue_plus_utilities(env):
    """Revenue again, as utilities with every value of the agents put to 0: they then have what they do not pay."""
    mechanism = random_mechanism(env)
    nothing = [[np.zeros_like(table) for table in row] for row in env.values]
    kernel = [list(row) for row in env.kernel]
    if env.infinite:
        nothing, kernel = [row[0] for row in nothing], [row[0] for row in kernel]
    costs = list(env.costs) if not env.infinite else env.costs[0]
    bare = MarkovTypes(nothing, kernel, env.initial, cost=costs, horizon=env.horizon, discount=env.discount)
    empty = MarkovMechanism(bare, mechanism.policy, mechanism.transfer)
    assert mechanism.revenue == pytest.approx(-sum(empty.utilities) + empty.welfare, abs=1e-9)
    free = MarkovMechanism(env, mechanism.policy, [[0 * part for part in row] for row in mechanism.transfer])
    assert mechanism.welfare == pytest.approx(sum(free.utilities) + empty.welfare, abs=1e-9)


FINITE = [
    *(pytest.param(random_environment(*case), id=name) for name, case in CASES.items() if "infinite" not in case),
    pytest.param(moves_that_end(0), id="moves-that-end"),
    pytest.param(never_high_first(0), id="never-high-first"),
]


@pytest.mark.parametrize("env", FINITE)
def test_histories_and_current_reports_agree(env):
    """The check of current reports is that of all histories with any reports: same outcome, same gains."""
    mechanism = random_mechanism(env)
    written = mechanism.to_sequence()
    assert written.utilities == pytest.approx(mechanism.utilities, abs=1e-12)
    assert written.revenue == pytest.approx(mechanism.revenue, abs=1e-12)
    here, there = verify(mechanism, CONSTRAINTS), verify(written, CONSTRAINTS)
    for constraint in (PeriodicExPostIC(rereport=True), PPIR(), PeriodicExPostIR(), PeriodicIR(), Interim()):
        assert here[constraint].gain == pytest.approx(there[constraint].gain, abs=1e-12), constraint
        assert here[constraint].status == there[constraint].status
    assert verify(mechanism, BayesianIC())["bayesian"].gain == pytest.approx(
        verify(written, BayesianIC())["bayesian"].gain
    )


@environments
@pytest.mark.parametrize("early", [0, 2])
def test_counterexamples_replay_with_dense_distributions(env, early):
    mechanism = random_mechanism(env, 1, early)
    report = verify(mechanism, CONSTRAINTS)
    for constraint, check in report.items():
        if check.counterexample:
            assert check.counterexample.replay(mechanism) == pytest.approx(check.gain, abs=1e-8), constraint
            assert check.counterexample.to_dict()["period"] == check.counterexample.period
            assert str(check.counterexample)
    assert not report[PPIR()].holds
    assert env.agents == 1 or not report[PeriodicExPostIR()].holds


@environments
def test_gains_by_loops_over_profiles_and_reports(env):
    """One-shot misreports against the utilities of the simulated mechanism, in its last listed period."""
    mechanism = random_mechanism(env, 2, early=0)
    worst = 0.0
    t = mechanism.periods - 1
    s = mechanism.stage(t)
    for i in range(env.agents):
        value = mechanism.continuation[i][t]
        for th in profiles(env, s):
            for r in range(env.shape[s][i]):
                told = (*th[:i], r, *th[i + 1 :])
                action = mechanism.policy[s][told]
                got = env.values[i][s][action, th[i]] - mechanism.transfer[i][t][told]
                if env.infinite:
                    rows = [env.kernel[j][s][action, k] for j, k in enumerate(th)]
                    got += env.discount * (reduce(np.multiply.outer, rows) * value).sum()
                worst = max(worst, env.discount**t * (got - value[th]))
    found = verify(mechanism, PeriodicExPostIC())[PeriodicExPostIC()]
    assert found.gain >= worst - 1e-12
    assert not env.infinite or found.gain == pytest.approx(worst, abs=1e-12)


def test_an_early_fee_is_found():
    """A pivot mechanism that charges 1 more in period 1 alone, of three that are listed: utility -1 + what is left."""
    env = random_environment((2, 3), 2, "infinite", 0.8, positive=True, costs=False)
    pivot = dynamic_pivot(env).to_mechanism()
    rows = [(row[0], row[0] + 1e3, row[0]) for row in pivot.transfer]
    report = verify(MarkovMechanism(env, pivot.policy, rows), [PeriodicExPostIC(), PeriodicExPostIR(), PeriodicIR()])
    assert report[PeriodicExPostIC()].holds
    least = min(float(values[0].min()) for values in pivot.continuation)
    found = report[PeriodicExPostIR()].counterexample
    assert found.period == 1
    assert found.gain == pytest.approx(0.8 * (1e3 - least))
    assert report[PeriodicIR()].counterexample.before is not None


@pytest.mark.parametrize(
    ("distribution", "fee", "worst"), [([1, 0], 3, 4), ([0, 1], 1, 2)], ids=["both-types-come", "one-type-comes"]
)
def test_participation_counts_types_that_come(distribution, fee, worst):
    """Type 0 moves to type 1 for ever; type 0 is charged 3, type 1 is charged 1 every period, discount 1/2.

    From type 0 on the worst period costs 3; from type 1 on it costs 1, and type 0 never comes. Seen from a period,
    type 1 has -1/(1 - 1/2) = -2 and type 0 -3 - 2/2 = -4.
    """
    env = MarkovTypes([[[0, 0]]], [[[0, 1], [0, 1]]], [distribution], discount="1/2")
    mechanism = MarkovMechanism(env, [np.zeros(2, dtype=int)], [[np.array([3.0, 1.0])]])
    report = verify(mechanism, [PPIR(), PeriodicIR(), Interim(), PeriodicExPostIR()])
    assert report[PPIR()].gain == pytest.approx(fee)
    assert report[PeriodicIR()].gain == report[Interim()].gain == pytest.approx(worst)
    assert report[PeriodicExPostIR()].gain == pytest.approx(worst)


def test_constraints_over_paths_need_a_finite_horizon():
    pivot = dynamic_pivot(random_environment((2, 2), 2, "infinite", 0.8)).to_mechanism()
    for constraint in (EPIR(), BayesianIC()):
        with pytest.raises(InputError, match="the horizon is infinite"):
            verify(pivot, constraint)
    with pytest.raises(InputError, match="not defined for persistent types"):
        verify(pivot, DIC())


def test_too_many_histories_to_write_out(monkeypatch):
    monkeypatch.setattr(markov_mechanism, "MAX_NODES", 10)
    pivot = dynamic_pivot(random_environment((2, 2), 2, 3, 0.8)).to_mechanism()
    with pytest.raises(LimitError, match="public histories"):
        verify(pivot, BayesianIC())


def test_bad_arrays_are_all_named():
    env = random_environment((2, 3), 2, 2, 0.9)
    good, row = np.zeros((2, 3), dtype=int), [np.zeros((2, 3))] * 2
    with pytest.raises(InputError) as caught:
        MarkovMechanism(env, [good, good + 2], [[np.zeros((3, 2)), np.full((2, 3), np.nan)], row, row])
    places = [fault.where for fault in caught.value.faults]
    assert places == ["policy[1]", "transfer", "transfer[0][0]", "transfer[0][1]"]
    with pytest.raises(InputError, match="it must have 2"):
        MarkovMechanism(env, [good], [row, row])
    with pytest.raises(InputError, match="has 1 periods"):
        MarkovMechanism(env, [good, good], [row, row[:1]])


@environments
def test_a_file_and_back(env, tmp_path):
    mechanism = random_mechanism(env)
    mechanism = MarkovMechanism(env, mechanism.policy, mechanism.transfer, (PeriodicExPostIC(), PPIR()), "random")
    mechanism.save(tmp_path / "it.npz")
    again = load_mechanism(tmp_path / "it.npz", env)
    assert (again.claims, again.source) == (mechanism.claims, "random")
    for one, other in zip(again.policy, mechanism.policy, strict=True):
        assert np.array_equal(one, other)
    for one, other in zip(again.transfer, mechanism.transfer, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_files_of_others_are_refused(tmp_path):
    env, other = random_environment((2, 2), 2, 2, 0.9), random_environment((2, 2), 2, 2, 0.9, seed=1)
    random_mechanism(env).save(tmp_path / "it.npz")
    with pytest.raises(InputError, match="made for another environment"):
        load_mechanism(tmp_path / "it.npz", other)
    with pytest.raises(InputError, match="cannot read"):
        load_mechanism(tmp_path / "none.npz", env)
    random_mechanism(env).to_sequence().save(tmp_path / "histories.npz")
    assert isinstance(load_mechanism(tmp_path / "histories.npz", env), SequenceMechanism)
    (tmp_path / "text.npz").write_text("x")
    with pytest.raises(InputError, match="damaged"):
        load_mechanism(tmp_path / "text.npz", env)
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    with pytest.raises(InputError, match="damaged"):
        load_mechanism(tmp_path / "empty.npz", env)
