"""Values for ever of virtual pivots in floats, and what they may be off by: against numbers by hand and by loops."""

from fractions import Fraction
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from mechopt.core.errors import InputError
from mechopt.verification import rounding, virtual, virtual_exact, virtual_values
from tests.verification.test_virtual_places import PIVOTS, in_fractions

U, TINY, LOOSE = 2.0**-53, 2.0**-1022, 1 + 2.0**-20
ONE = np.ones((1, 1, 1))


def bound(depth, size):
    return 2 * depth * U * size + depth * TINY * (1 + size)


def kernels_of(rng, actions, sizes, zeros=False):
    """Chances of next signals by action and signal; with zeros where asked for."""
    found = []
    for n in sizes:
        rows = rng.integers(0 if zeros else 1, 4, (actions, n, n)).astype(float)
        rows[rows.sum(axis=2) == 0] = 1
        found.append(rows / rows.sum(axis=2, keepdims=True))
    return found


@pytest.mark.parametrize(
    ("discount", "left"), [(0.75, 0.25 - 2 * U), (0.0, 1.0), (1 - 2.0**-50, 6 * U), (1 - 2.0**-53, TINY)]
)
def test_what_a_residual_says_about_values_for_ever(discount, left):
    missed = 2.0**-60
    assert rounding.lasting_error(missed, discount) == pytest.approx(missed * LOOSE / left, rel=1e-12, abs=0)


def test_roundings_of_a_term():
    assert virtual_values.depth_of([]) == 16
    assert virtual_values.depth_of([np.zeros((3, 2, 2)), np.zeros((3, 5, 5))]) == 16 + 2 * (4 + 7)


@pytest.mark.parametrize("size", [0.0, 5.0])
def test_values_that_floats_reach_are_off_by_rounding_alone(size):
    """1 in every period at a discount of 1/2 is 2, reached from the float below it; the other action is worth less."""
    rounded = LOOSE * (2.0**-52 + bound(16 + 2 * 3, size + 2)) / (0.5 - 2 * U)
    for flow, policy in [([[1.0], [-3.0]], None), ([[-np.inf], [1.0]], None), ([[5.0], [1.0]], np.array([1]))]:
        value, error = virtual_values.informed(np.array(flow), size, [np.ones((2, 1, 1))], 0.5, policy)
        assert value.tolist() == [2.0]
        assert error == pytest.approx(rounded, rel=1e-12, abs=0)
    value, error = virtual_values.uninformed(np.ones((1, 1)), size, [ONE], np.array([0]), [], 0.5)
    assert value.tolist() == [2.0]
    assert error == pytest.approx(rounded, rel=1e-12, abs=0)


def test_a_search_that_is_cut_off_says_what_it_may_be_off_by(monkeypatch):
    monkeypatch.setattr(virtual_values, "MAX_SWEEPS", 3)
    value, error = virtual_values.informed(np.ones((1, 1)), 1.0, [ONE], 0.5)
    assert value.tolist() == [1.75]
    assert error == pytest.approx(LOOSE * 0.25 / 0.5, rel=1e-12) and error > 2 - 1.75


def test_a_search_goes_on_while_sweeps_are_apart_by_more_than_rounding():
    """Changes of 1, 1, 1/2, 1/2 and 0; of values that are 0 from the first on nothing is left to find."""
    rows = iter([1.0, 2.0, 2.5, 3.0, 3.0, 3.0])
    value, error = virtual_values._settled(lambda _: np.array([next(rows)]), (1,), 1.0, [ONE], 0.5)
    assert value.tolist() == [3.0] and list(rows) == []
    assert error == pytest.approx(LOOSE * bound(16 + 2 * 3, 4.0) / (0.5 - 2 * U), rel=1e-12, abs=0)
    value, error = virtual_values.informed(np.zeros((1, 1)), 0.0, [ONE], 0.5)
    assert (value.tolist(), error) == ([0.0], 0.0)


@pytest.mark.parametrize("flow", [np.nan, np.inf, 1e308])
def test_what_cannot_be_computed_has_no_bound(flow):
    with np.errstate(all="ignore"):
        _, error = virtual_values.informed(np.array([[flow]]), 1.0, [ONE], 0.75)
    assert not np.isfinite(error)


def test_payments_that_are_not_those_of_the_formula_are_refused():
    formula = np.array([1.0, 2.0])
    virtual_values.require_same("payments", np.array([1.5, 1.5]), formula, 0.5)
    for other in ([1.5, 1.25], [0.25, 2.0], [np.nan, 2.0], [1.0, np.inf]):
        with pytest.raises(InputError, match="payments are not those of the virtual pivot"):
            virtual_values.require_same("payments", np.array(other), formula, 0.5)


@pytest.mark.parametrize("sizes", [(), (2,), (3, 2), (2, 3, 4)])
def test_sums_of_tables(sizes):
    rng = np.random.default_rng(len(sizes))
    tables, cost = [rng.normal(size=(3, n)) for n in sizes], rng.normal(size=3)
    found = virtual._spread(tables, cost)
    assert found.shape == (3, *sizes)
    for place in np.ndindex(found.shape):
        wanted = sum(table[place[0], z] for table, z in zip(tables, place[1:], strict=True)) - cost[place[0]]
        assert found[place] == pytest.approx(wanted, abs=1e-14)


def follows(policy, kernels, state):
    """Next signals that have a chance, and it."""
    a = int(policy[state])
    for after in np.ndindex(policy.shape):
        chance = np.prod([kernel[a, z, y] for kernel, z, y in zip(kernels, state, after, strict=True)])
        if chance > 0:
            yield after, chance


def firsts(rng, sizes):
    found = []
    for n in sizes:
        row = rng.integers(0, 3, n).astype(float)
        row[rng.integers(n)] += 1
        found.append(row / row.sum())
    return found


@pytest.mark.parametrize("seed", range(12))
def test_what_truth_leads_to_and_what_it_is_worth_there(seed):
    """Where signals start in some places alone, and move to some alone."""
    rng = np.random.default_rng(seed)
    sizes = ((3,), (2, 3), (2, 2, 2))[seed % 3]
    kernels, first = kernels_of(rng, 3, sizes, zeros=True), firsts(rng, sizes)
    policy, truth = rng.integers(0, 3, sizes), rng.normal(size=sizes)
    chance = {z: np.prod([row[k] for row, k in zip(first, z, strict=True)]) for z in np.ndindex(sizes)}
    reached = {z for z, p in chance.items() if p > 0}
    while more := {after for z in reached for after, _ in follows(policy, kernels, z)} - reached:
        reached |= more
    found = virtual._reached(policy, kernels, first)
    assert found.dtype == bool and {tuple(map(int, z)) for z in np.argwhere(found)} == reached

    def by_own(likely):
        for own in range(sizes[0]):
            inside = {z: p for z, p in likely.items() if z[0] == own and p > 0}
            if inside:
                yield sum(p * truth[z] for z, p in inside.items()) / sum(inside.values())

    wanted = list(by_own(chance))
    for z in reached:
        wanted += by_own(dict(follows(policy, kernels, z)))
    values = virtual._least_expected(truth, policy, kernels, found, first)
    assert sorted(values.tolist()) == pytest.approx(sorted(wanted), abs=1e-14)

    # the same in fractions
    states, flat = list(np.ndindex(sizes)), [Fraction(value) for value in truth.ravel()]
    moves = [[[Fraction(0)] * len(states) for _ in states] for _ in range(3)]
    for n, z in enumerate(states):
        for after, p in follows(policy, kernels, z):
            moves[policy[z]][n][states.index(after)] = Fraction(p)
    start, chosen = [Fraction(chance[z]) for z in states], policy.ravel().tolist()
    places = virtual_exact._reached(start, moves, chosen)
    assert {states[n] for n in places} == reached
    rows = [start, *(moves[chosen[n]][n] for n in places)]
    exact = [float(value) for row in rows for value in virtual_exact._by_own(row, flat, states)]
    assert sorted(exact) == pytest.approx(sorted(wanted), abs=1e-14)


def test_not_every_profile_is_reached():
    """So that the test above says something: of two signals that stay, the one that starts."""
    stay = [np.eye(2)[None]]
    assert virtual._reached(np.array([0, 0]), stay, [np.array([0.0, 1.0])]).tolist() == [False, True]
    loop = [np.array([[[0.0, 1.0], [1.0, 0.0]]])]
    assert virtual._reached(np.array([0, 0]), loop, [np.array([0.0, 1.0])]).tolist() == [True, True]


def test_signals_that_are_ruled_out():
    sure, even, never = np.full((2, 2, 2), 0.5), np.array([0.5, 0.5]), np.array([1.0, 0.0])
    rare = sure.copy()
    rare[1, 0] = [1, 0]
    for first, kernel, wanted in [(even, sure, True), (never, sure, False), (even, rare, False), (never, rare, False)]:
        env = SimpleNamespace(signal_initial=[even, first], signal_kernel=[sure, kernel])
        assert virtual_exact.everywhere(env, 1) is wanted
        assert virtual_exact.everywhere(env, 0) is True


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4, -1])
@pytest.mark.parametrize(("name", "profile"), [("additive", (1, 0)), ("three-agents", (1, 0, 1))])
def test_magnitudes_and_errors_of_a_contract(name, profile, place, monkeypatch):
    """One program is off by much: what the contract says it is off by, with what the others' program adds."""
    pivot, sizes, lengths = PIVOTS[name], [], []
    env, members = pivot.environment, pivot.phase(profile).members
    kinds = {"informed": virtual.informed, "uninformed": virtual.uninformed}

    def off(kind):
        def solved(flow, size, kernels, *rest):
            sizes.append(size)
            lengths.append([len(kernel[0]) for kernel in kernels])
            value, _ = kinds[kind](flow, size, kernels, *rest)
            values.append(value)
            if len(sizes) == 1:
                return value, 2.0**-20
            return value, (1.0 if len(sizes) - 2 == place % count else 0.25) * 2.0**-10

        return solved

    for kind in kinds:
        monkeypatch.setattr(virtual, kind, off(kind))
    for i in members:
        values = []
        count = 4 * env.initial_shape[i]
        sizes.clear()
        lengths.clear()
        found = virtual._contract(pivot, profile, i, True)
        alpha, beta = pivot.virtual[i].alpha[profile[i]], pivot.virtual[i].beta[profile[i]]
        weights = pivot.virtual
        base = max(abs(c) for c in env.cost)
        for j in members:
            if j != i:
                table = env.value_tables[j][:, profile[j]]
                shift = weights[j].beta[profile[j]]
                base += max(
                    abs(weights[j].alpha[profile[j]] * v + b) for row, b in zip(table, shift, strict=True) for v in row
                )
        at_prices = (2 * max(map(abs, np.ravel(values[0]))) + base + max(map(abs, beta))) / alpha
        own = [max(map(abs, env.value_tables[i][:, k].ravel())) for k in range(env.initial_shape[i])]
        wanted = [base] + [at_prices + worth for worth in own for _ in range(4)]
        assert sizes == pytest.approx(wanted, rel=1e-12)
        others = [env.signal_shape[j] for j in members if j != i]
        assert lengths == [others] + [[env.signal_shape[i], *others]] * count
        assert found.error == pytest.approx(2.0**-10 + LOOSE * 2.0**-20 / alpha, rel=1e-14)


def test_a_contract_without_bayesian_claims_does_not_ask_for_them():
    found = virtual._contract(PIVOTS["additive"], (1, 0), 0, False)
    assert found.blind == {} and set(found.best) == set(found.direct) == set(found.plain) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(4))
def test_of_who_does_not_know_the_others_signals(seed):
    """Value iteration by loops over the last action, her signal and the others' last signals."""
    rng = np.random.default_rng(seed)
    sizes, d = ((2, 3), (2, 2, 2))[seed % 2], 0.5
    kernels, first = kernels_of(rng, 3, sizes), firsts(rng, sizes)
    flow, policy = rng.normal(size=(3, *sizes)), rng.integers(0, 3, sizes)
    others = list(product(*map(range, sizes[1:])))
    value = {(a, z, o): 0.0 for a in range(3) for z in range(sizes[0]) for o in others}

    def best(z, chances):
        found = []
        for report in range(sizes[0]):
            total = 0.0
            for o, p in zip(others, chances, strict=True):
                a = int(policy[(report, *o)])
                later = sum(q * value[a, y, o] for y, q in enumerate(kernels[0][a, z]))
                total += p * (flow[(a, z, *o)] + d * later)
            found.append(total)
        return max(found)

    def moves(a, o):
        return [np.prod([k[a, x, y] for k, x, y in zip(kernels[1:], o, n, strict=True)]) for n in others]

    for _ in range(60):
        value = {(a, z, o): best(z, moves(a, o)) for a, z, o in value}
    start = [np.prod([row[k] for row, k in zip(first[1:], o, strict=True)]) for o in others]
    found, error = virtual_values.uninformed(flow, 9.0, kernels, policy, first[1:], d)
    assert found.tolist() == pytest.approx([best(z, start) for z in range(sizes[0])], abs=1e-13)
    assert 0 < error < 1e-12


@pytest.mark.parametrize(("name", "profile"), [("additive", (1, 0)), ("three-agents", (1, 0, 1))])
def test_how_far_payments_may_be_from_the_formula(name, profile, monkeypatch):
    """The tolerance of checks times the largest number that prices are made of: the same in fractions and, but for a
    factor of 4, in floats."""
    pivot, asked = PIVOTS[name], []
    env = pivot.environment
    exact = object.__new__(virtual_exact._Exact)
    exact.__dict__.update(in_fractions(name).__dict__)
    for module in (virtual, virtual_exact):
        monkeypatch.setattr(module, "require_same", lambda *given: asked.append(given))
    for i in pivot.phase(profile).members:
        others = [j for j in pivot.phase(profile).members if j != i]
        alpha, beta = pivot.virtual[i].alpha[profile[i]], pivot.virtual[i].beta[profile[i]]
        sums = []
        for a, z in product(range(len(env.cost)), product(*(range(env.signal_shape[j]) for j in others))):
            now = -env.cost[a]
            for j, k in zip(others, z, strict=True):
                weights = pivot.virtual[j]
                now += weights.alpha[profile[j]] * env.value_tables[j][a, profile[j], k] + weights.beta[profile[j]][a]
            sums.append(now)
        without = pivot.phase(profile).without[i][0].ravel()
        wanted = 1e-8 * max(map(abs, [*without, *beta, *sums])) / alpha
        exact._contract(i, profile)
        virtual._contract(pivot, profile, i, False)
        for what, paid, formula, within in asked:
            assert what == f"payments of agent {i} after reports {list(profile)}"
            assert paid.shape == formula.shape
            np.testing.assert_allclose(paid, formula, rtol=0, atol=1e-12)
            assert wanted * (1 - 1e-9) <= within <= 4 * wanted
        assert len(asked) == 2 and asked[0][-1] == pytest.approx(wanted, rel=1e-9)
        asked.clear()
