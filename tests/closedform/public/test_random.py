"""Pivots by period and public state against raw loops and history programs, and what changes nothing."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.families import PublicState, SeparableStates, separable_by_period
from tests.closedform.public import raw
from tests.closedform.separable_programs import random_separable

ONE, TWO = ("multiplicative", "additive"), [("multiplicative", "additive"), ("additive", "additive")]


def check(cells, state, program):
    """Bound as in loops; profit equals it; no optimum is above, and where (16) holds it is attained and verified."""
    env = SeparableStates(cells, state)
    pivot = mo.virtual_pivot(env)
    expected = raw.bound(cells, state)
    regular = all(bool((np.diff(w) >= -1e-12).all()) for w in _levels(env))
    assert pivot.bound == pytest.approx(expected, abs=1e-9)
    assert pivot.profit == pytest.approx(pivot.bound, abs=1e-9)
    assert mo.mechanisms.virtual_bound(env) == pytest.approx(expected, abs=1e-9)
    mechanism = pivot.to_mechanism()
    assert mechanism.revenue == pytest.approx(pivot.profit, abs=1e-9)
    assert mechanism.utilities == pytest.approx(pivot.utilities, abs=1e-9)
    report = mo.verify(mechanism, ["periodic-ex-post"])
    holds = pivot.contracting_gain <= 1e-9
    assert report.holds or not holds
    best = mo.optimum(env)
    if program:
        assert best.value == pytest.approx(raw.optimum(cells, state), abs=1e-7)
    if regular:
        assert best.value <= pivot.bound + 1e-7
    if holds:
        assert best.value == pytest.approx(pivot.bound, abs=1e-7)
    dynamic = mo.dynamic_pivot(env)
    assert dynamic.welfare == pytest.approx(env.first_best, abs=1e-9)
    written = dynamic.to_mechanism()
    assert written.revenue == pytest.approx(dynamic.revenue, abs=1e-9)
    assert mo.verify(written).holds and mo.verify(written, "interim").holds
    return holds


def _levels(env):
    cell = env.cells[0][0]
    for level, f in zip(cell.level, cell.initial_probabilities, strict=True):
        tail = 1 - np.cumsum(f)
        yield level - tail / f * np.append(np.diff(level), 0)


def by_period(seed):
    return raw.random_cells(seed, [ONE[seed % 2]], [2 + seed % 2], [2], 2 + seed % 2, 2, 1)


def by_state(seed):
    return raw.random_cells(seed, [ONE[seed % 2]], [2], [2], 2, 2, 2)


def two_by_period(seed):
    return raw.random_cells(seed, TWO[seed % 2], [2, 2], [2, 1], 2, 2, 1)


def two_by_state(seed):
    return raw.random_cells(seed, TWO[seed % 2], [2, 2], [2, 1], 2, 1 + seed % 2, 2)


KINDS = {
    "period": (by_period, True),
    "state": (by_state, True),
    "two": (two_by_period, False),
    "both": (two_by_state, False),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_against_raw_programs(kind, seed):
    make, program = KINDS[kind]
    check(*make(seed), program)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_of_each_against_raw_programs(kind):
    make, program = KINDS[kind]
    assert 5 <= sum(check(*make(1000 + seed), program) for seed in range(110)) <= 110


@pytest.mark.parametrize("seed", range(6))
def test_dummies_change_no_number(seed):
    """The same tables in every period, or in every public state that nothing depends on."""
    forms = [ONE[seed % 2]] if seed < 4 else TWO[seed % 2]
    env = random_separable(list(forms), [2] * len(forms), [2] * len(forms), 2, 2, 0.9, seed)
    plain, found = mo.virtual_pivot(env), [SeparableStates(env)]
    if len(forms) == 1:
        found.append(SeparableStates(env, PublicState(["a", "b"], ["1/3", "2/3"], [["1/2", "1/2"], ["1/4", "3/4"]])))
    for same in found:
        pivot = mo.virtual_pivot(same)
        assert pivot.bound == pytest.approx(plain.bound, abs=1e-12)
        assert pivot.utilities == pytest.approx(plain.utilities, abs=1e-12)
        assert pivot.contracting_gain == pytest.approx(plain.contracting_gain, abs=1e-10)
        assert pivot.to_mechanism().revenue == pytest.approx(plain.to_mechanism().revenue, abs=1e-10)
        assert mo.dynamic_pivot(same).revenue == pytest.approx(mo.dynamic_pivot(env.to_markov()).revenue, abs=1e-10)
        if len(forms) == 1:
            assert mo.optimum(same).value == pytest.approx(mo.optimum(env).value, abs=1e-8)


def test_tables_that_do_not_change_give_the_plain_environment():
    env = random_separable(["additive"], [2], [2], 2, 2, 0.9)
    same = separable_by_period([env, env])
    assert isinstance(same, mo.SeparableTypes) and same.fingerprint == env.fingerprint
    assert SeparableStates(env).fingerprint != env.fingerprint


def test_the_optimum_is_exact_and_saved(tmp_path):
    env = raw.random_environment(3, ["additive"], [2], [2], 2, 2, 2)
    best = mo.optimum(env, exact=True)
    assert float(best.exact) == pytest.approx(best.value, abs=1e-9)
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    path = tmp_path / "pivot.npz"
    pivot = mo.virtual_pivot(env)
    pivot.save(path)
    assert mo.load_mechanism(path, env).revenue == pytest.approx(pivot.revenue, abs=1e-10)
    again = mo.loads(env.to_toml())
    assert again.fingerprint == env.fingerprint and type(again) is SeparableStates
    assert mo.Problem(env).size.rows > 0


def test_what_was_done_before_is_a_public_state():
    """Served last period, an item is worth 3 and else 1: serve both times for 4, the buyer's type being 1."""
    env = mo.SeparableTypes([[1]], [[1]], [[[0], [1]]], [[1]], [[[1]]], cost=[0, 2], horizon=2)
    after = mo.SeparableTypes([[1]], [[1]], [[[0], [3]]], [[1]], [[[1]]], cost=[0, 2], horizon=2)
    last = PublicState(["idle", "served"], [1, 0], [[[1, 0], [1, 0]], [[0, 1], [0, 1]]], "last")
    found = SeparableStates([[env, after]] * 2, last)
    assert found.first_best == pytest.approx(0)  # 1 - 2 + 3 - 2
    assert SeparableStates([[env, after]] * 2, PublicState(["idle", "served"], [0, 1], last.kernel)).first_best == 2
    steered = SeparableStates(
        [[env, mo.SeparableTypes([[1]], [[1]], [[[0], [4]]], [[1]], [[[1]]], cost=[0, 2], horizon=2)]] * 2, last
    )
    assert steered.first_best == mo.virtual_pivot(steered).bound == mo.optimum(steered).value == pytest.approx(1)


@pytest.mark.parametrize("seed", range(3))
def test_actions_that_a_state_rules_out_are_never_taken(seed):
    cells, state = raw.random_cells(seed, ["additive"], [2], [2], 3, 2, 2)
    ruled = PublicState(state.values, state.initial, state.kernel, "state", {"s1": ["1"]})
    env = SeparableStates(cells, ruled)
    for mechanism in (mo.virtual_pivot(env).to_mechanism(), mo.dynamic_pivot(env).to_mechanism()):
        for t, policy in enumerate(mechanism.policy):
            forbidden = mechanism.process.forbidden[t].T[mechanism.tree.profile[t]]
            assert not policy[forbidden].any()
    assert mo.optimum(env).value <= mo.virtual_pivot(env).bound + 1e-7 or not all(
        bool((np.diff(w) >= 0).all()) for w in _levels(env)
    )


def test_bad_cells():
    env = random_separable(["additive"], [2], [2], 2, 2, 0.9)
    other = random_separable(["additive"], [3], [2], 2, 2, 0.9)
    with pytest.raises(InputError, match=r"cells\[1\]\[0\].initial_values: .* the same in all periods"):
        SeparableStates([env, other])
    with pytest.raises(InputError, match="cells: is empty"):
        separable_by_period([])
    with pytest.raises(InputError, match="has 1 periods for a horizon of 2"):
        SeparableStates([env])
    with pytest.raises(InputError, match="horizon: is infinite"):
        SeparableStates(random_separable(["additive"], [2], [2], 2, "infinite", 0.9))
    with pytest.raises(InputError, match=r"cells\[0\]\[1\]: is int"):
        SeparableStates([[env, 1], [env, env]], PublicState(["a", "b"], [1, 0]))
    with pytest.raises(InputError, match="public states are not in its theorem"):
        mo.mechanisms.virtual_index(SeparableStates(env))
