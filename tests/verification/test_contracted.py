"""Dynamic pivots and virtual pivots of separable environments for ever: checks, files, simulation; raw loops beside."""

import dataclasses
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.to_markov import allocation_phase
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.testing import check_mechanism
from tests.verification.test_virtual import random_pivot

PARTICIPATION = ("interim", "periodic", "periodic-ex-post-ir")


def random_contracted(seed, fee=0.0):
    """A dynamic pivot whose agents pay a fee more in every period."""
    env = random_pivot(seed, 1 + seed % 2).environment
    written = mo.dynamic_pivot(env).to_mechanism().allocation
    paid = tuple(tuple(part + fee for part in row) for row in written.transfer)
    return ContractedMechanism(env, MarkovMechanism(written.environment, written.policy, paid, written.claims))


def raw_utilities(mechanism):
    """By loops: V of each agent at each (initial types, signals), 300 periods or until nothing is left."""
    env, d = mechanism.environment, mechanism.environment.discount
    n = env.agents
    kinds, signals = list(product(*map(range, env.initial_shape))), list(product(*map(range, env.signal_shape)))
    found = {}
    for kind in kinds:
        at = {z: tuple(k * env.signal_shape[j] + z[j] for j, k in enumerate(kind)) for z in signals}
        action = {z: int(mechanism.allocation.policy[0][at[z]]) for z in signals}
        chance = {
            z: {y: np.prod([env.signal_kernel[j][action[z], z[j], y[j]] for j in range(n)]) for y in signals}
            for z in signals
        }
        for i in range(n):
            paid = mechanism.allocation.transfer[i][0]
            flow = {z: env.value_tables[i][action[z], kind[i], z[i]] - paid[at[z]] for z in signals}
            value = dict(flow)
            for _ in range(400):
                value = {z: flow[z] + d * sum(p * value[y] for y, p in chance[z].items()) for z in signals}
            for z in signals:
                found[i, kind, z] = value[z], chance[z]
    return found, kinds, signals


def raw_losses(mechanism, name):
    """Largest shortfall of utility below 0 at contracting and at every later history, as of t = 1."""
    env, worst = mechanism.environment, 0.0
    found, kinds, signals = raw_utilities(mechanism)
    prior = {kind: np.prod([env.initial_probabilities[j][k] for j, k in enumerate(kind)]) for kind in kinds}
    first = {z: np.prod([env.signal_initial[j][y] for j, y in enumerate(z)]) for z in signals}
    for i in range(env.agents):
        mean = {kind: sum(first[z] * found[i, kind, z][0] for z in signals) for kind in kinds}
        for k in range(env.initial_shape[i]):
            mine = [kind for kind in kinds if kind[i] == k]
            whole = sum(prior[kind] for kind in mine)
            if name == "periodic-ex-post-ir":
                worst = max(worst, *(-mean[kind] for kind in mine))
            else:
                worst = max(worst, -sum(prior[kind] * mean[kind] for kind in mine) / whole)
            if name == "interim":
                continue
            for kind in mine:
                if name == "periodic-ex-post-ir":
                    worst = max(worst, *(-found[i, kind, z][0] for z in signals))
                    continue
                distributions = [first] + [found[i, kind, z][1] for z in signals]
                for distribution in distributions:
                    for own in range(env.signal_shape[i]):
                        some = [z for z in signals if z[i] == own and distribution[z] > 0]
                        total = sum(distribution[z] for z in some)
                        if total:
                            worst = max(worst, -sum(distribution[z] * found[i, kind, z][0] for z in some) / total)
    return worst


def participation_agrees(seed):
    mechanism = random_contracted(seed, fee=0.6 * (seed % 3))
    report = mo.verify(mechanism, PARTICIPATION)
    for name in PARTICIPATION:
        raw = raw_losses(mechanism, name)
        if report[name].status == "satisfied":
            assert raw <= 1e-9
        else:
            assert report[name].status == "violated"
            assert raw + 1e-9 >= report[name].gain > 0


def test_participation_agrees_with_loops():
    for seed in range(12):
        participation_agrees(seed)


@pytest.mark.slow
def test_participation_agrees_with_loops_in_bulk():
    for seed in range(100, 220):
        participation_agrees(seed)


@pytest.mark.parametrize("seed", range(3))
def test_fractions_say_the_same(seed):
    mechanism = random_contracted(seed, fee=0.5 * seed)
    names = ("periodic-ex-post", "periodic-ex-post-rereport", "bayesian", *PARTICIPATION)
    floats, exact = mo.verify(mechanism, names), mo.verify(mechanism, names, exact=True)
    for name in names:
        assert exact[name].status == floats[name].status
        assert exact[name].gain == pytest.approx(floats[name].gain, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_dynamic_pivot_for_ever_is_the_limit_of_finite_ones(seed):
    env = random_pivot(seed, 1 + seed % 2).environment
    endless = mo.dynamic_pivot(env)
    assert mo.verify(endless, ["periodic-ex-post", "bayesian", "interim", "periodic"]).holds
    assert endless.discrepancy <= 1e-9
    largest = sum(float(np.abs(table).max()) for table in env.value_tables) + float(np.abs(env.cost).max())
    for periods in (5, 9):
        finite = mo.dynamic_pivot(dataclasses.replace(env, horizon=periods))
        left = env.discount ** (periods + 1) / (1 - env.discount) * largest
        assert abs(endless.welfare - finite.welfare) <= left
        assert abs(endless.revenue - finite.revenue) <= 4 * left


@pytest.mark.parametrize("seed", range(4))
def test_both_pivots_come_back_from_files(seed, tmp_path):
    env = random_pivot(seed, 1 + seed % 2).environment
    for mechanism in (mo.virtual_pivot(env), mo.dynamic_pivot(env).to_mechanism()):
        mechanism.save(tmp_path / "m.npz")
        back = mo.load_mechanism(tmp_path / "m.npz", env)
        assert type(back) is type(mechanism)
        assert (back.revenue, back.welfare, back.utilities) == (
            mechanism.revenue,
            mechanism.welfare,
            mechanism.utilities,
        )
        with pytest.raises(mo.InputError, match="another environment"):
            mo.load_mechanism(tmp_path / "m.npz", random_pivot(seed + 50, env.agents).environment)
        check_mechanism(mechanism, runs=2000)


def test_a_virtual_pivot_that_was_changed_is_refused(tmp_path):
    env = random_pivot(1, 2).environment
    mo.virtual_pivot(env).save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as archive:
        columns = dict(archive)
    columns["payment"] = columns["payment"] + 0.01
    np.savez(tmp_path / "n.npz", **columns)
    with pytest.raises(mo.InputError, match="payment is not that of the virtual pivot"):
        mo.load_mechanism(tmp_path / "n.npz", env)


def test_types_that_are_left_out_come_back_from_files_and_tables(tmp_path):
    # one buyer and an idle action: exclusion does not matter, and the low type is left out all the same
    env = mo.SeparableTypes(
        [[1, 3]], [["1/2", "1/2"]], [[[0, 0], [1, 2]]], [["1/2", "1/2"]], cost=[0, "1/2"], horizon=1
    )
    pivot = mo.virtual_pivot(env)
    assert not pivot.included.all()
    pivot.save(tmp_path / "m.npz")
    back = mo.load_mechanism(tmp_path / "m.npz", env)
    assert back.revenue == pytest.approx(pivot.revenue, abs=1e-12)
    read = mo.SequenceMechanism.from_frame(pivot.to_frame(), env)
    assert read.revenue == pytest.approx(pivot.revenue, abs=1e-12)
    pivot.to_frame().to_csv(tmp_path / "m.csv", index=False)
    assert mo.SequenceMechanism.from_frame(tmp_path / "m.csv", env).environment.actions[0] == (
        "include nobody",
        "include 0",
    )


def test_a_mechanism_after_contracting_is_of_its_own_environment():
    one, other = (random_pivot(seed, 1).environment for seed in (0, 2))
    allocation = mo.dynamic_pivot(one).to_mechanism().allocation
    with pytest.raises(mo.InputError, match="another environment"):
        ContractedMechanism(other, allocation)
    with pytest.raises(mo.InputError, match="finite horizon"):
        ContractedMechanism(dataclasses.replace(one, horizon=2), allocation)
    assert allocation.environment.fingerprint == allocation_phase(one).fingerprint
    with pytest.raises(mo.InputError, match="goes over all histories"):
        mo.verify(mo.dynamic_pivot(one), "epir")
