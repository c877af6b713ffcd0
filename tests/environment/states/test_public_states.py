"""Public states: raw programs, dummies, verification, proofs, ironed optimal stopping, files, bad input."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.families import PublicState, PublicStates, demand_states, inventory, random_arrivals
from tests.environment.states.raw import Raw, raw_value
from tests.persistent_instances import battaglini

Status = mo.results.Status


def distribution(rng, *shape):
    weights = rng.integers(1, 4, shape)
    totals = np.broadcast_to(weights.sum(axis=-1, keepdims=True), weights.shape)
    return np.vectorize(lambda w, total: f"{w}/{total}")(weights, totals).tolist()


def random_base(seed, agents, horizon, actions=2, steered=False):
    rng = np.random.default_rng(seed)
    sizes = [2] * agents
    return mo.MarkovTypes(
        [np.sort(rng.integers(-1, 6, (actions, k)), axis=1) for k in sizes],
        [distribution(rng, actions, k, k) if steered else distribution(rng, k, k) for k in sizes],
        [distribution(rng, k) for k in sizes],
        actions=[f"a{a}" for a in range(actions)],
        cost=rng.integers(0, 2, actions).tolist(),
        horizon=horizon,
        discount=["1", "4/5"][seed % 2],
    )


def random_state(seed, actions=2):
    """Zeros among its chances, moved by the action or not; one value may rule an action out."""
    rng = np.random.default_rng(100 + seed)
    kernel = distribution(rng, actions, 2, 2) if seed % 2 else distribution(rng, 2, 2)
    if seed % 3 == 0:
        (kernel[0] if seed % 2 else kernel)[0] = ["1", "0"]
    forbidden = {"1": ["a1"]} if seed % 4 < 2 else None
    gains = rng.integers(-2, 3, (actions, 2)).tolist() if seed % 3 == 1 else None
    initial = ["0", "1"] if seed % 5 == 0 else distribution(rng, 2)
    return PublicState(["0", "1"], initial, kernel, "sign", forbidden, gains)


def raw_of(base, state, values=None):
    kernel = state.kernel * base.action_counts[0] if len(state.kernel) == 1 else state.kernel
    moves = [[[float(p) for p in row] for row in matrix] for matrix in kernel]
    names = list(base.action_names(0))
    ruled = {(state.values.index(value), names.index(a)) for value, actions in state.forbidden for a in actions}
    gains = None if state.seller_values is None else [[float(g) for g in row] for row in state.seller_values]
    return Raw(base, [float(p) for p in state.initial], moves, ruled, values, gains)


@pytest.mark.parametrize(("ic", "named"), [("ex-post", "periodic-ex-post"), ("interim", "bayesian")])
@pytest.mark.parametrize("ir", ["interim", "periodic"])
@pytest.mark.parametrize("seed", range(6))
def test_one_agent_against_the_raw_program(seed, ir, ic, named):
    base, state = random_base(seed, 1, 2, steered=seed % 2 == 1), random_state(seed)
    values = np.random.default_rng(seed).integers(-1, 6, (1, 2, 2, 2)).tolist() if seed % 2 else None
    env = PublicStates(base, state, values)
    expected = raw_value(raw_of(base, state, values), ic, ir)
    best = mo.optimum(env, named, ir)
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert mo.verify(best.mechanism).holds and best.mechanism.revenue == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_two_agents_against_the_raw_program(seed):
    base, state = random_base(seed, 2, 2), random_state(seed)
    env = PublicStates(base, state)
    expected = raw_value(raw_of(base, state), "ex-post", ["interim", "periodic"][seed % 2])
    best = mo.optimum(env, "periodic-ex-post", ["interim", "periodic"][seed % 2])
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert mo.verify(best.mechanism).holds
    loose = mo.optimum(env, "bayesian", ["interim", "periodic"][seed % 2])
    assert loose.value >= best.value - 1e-8 and mo.verify(loose.mechanism).holds


@pytest.mark.parametrize("seed", range(4))
def test_one_period_of_two_agents_bayesian(seed):
    """Incentives are given the state: agents know it when they report."""
    base, state = random_base(seed, 2, 1, actions=3), random_state(2 * seed, actions=3)
    values = np.random.default_rng(seed).integers(-1, 6, (2, 2, 3, 2)).tolist()
    best = mo.optimum(PublicStates(base, state, values), "bayesian", "interim")
    assert best.value == pytest.approx(raw_value(raw_of(base, state, values), "interim", "interim"), abs=1e-7)
    assert mo.verify(best.mechanism).holds


@pytest.mark.parametrize("seed", range(3))
def test_constraints_on_payments_combine(seed):
    base, state = random_base(seed, 1, 2), random_state(seed)
    env = PublicStates(base, state)
    expected = raw_value(raw_of(base, state), "ex-post", "periodic", ["no-subsidy"])
    best = mo.optimum(env, "periodic-ex-post", "periodic", subject_to="no-subsidy", exact=True)
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert mo.verify(best.mechanism).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


CONSTRAINTS = [
    ("bayesian", "interim"),
    ("bayesian-actions", "interim"),
    ("bayesian-own", "interim"),
    ("periodic-ex-post", "periodic"),
    ("periodic-ex-post-rereport", "interim"),
    ("adjacent", "interim"),
    ("downward", "periodic"),
    ("myopic", "per-period"),
    ("myopic", "interim"),
    ("bayesian", "epir"),
    ("bayesian", "prefix"),
    ("periodic-ex-post", "per-period"),
    ("bayesian", "periodic-ex-post-ir"),
]


@pytest.mark.parametrize(("ic", "ir"), CONSTRAINTS, ids=lambda name: name)
@pytest.mark.parametrize("agents", [1, 2])
def test_a_state_with_one_value_changes_nothing(agents, ic, ir):
    base = battaglini(3) if agents == 1 else random_base(3, 2, 2)
    known = [name for name in (ic, ir) if name not in {c.name for c in mo.formats.closure([])}]
    assert known
    one = PublicStates(base, PublicState(["only"], [1]))
    plain, stated = mo.optimum(base, ic, ir), mo.optimum(one, ic, ir)
    assert stated.value == pytest.approx(plain.value, abs=1e-8)
    assert mo.verify(stated.mechanism).holds
    assert one.first_best == pytest.approx(base.first_best)
    if agents == 1:
        proved = mo.optimum(one, ic, ir, exact=True)
        assert mo.formats.check_certificate(one, proved.certificate) == proved.exact
        assert mo.verify(proved.mechanism, exact=True).holds


@pytest.mark.parametrize(("ic", "ir"), CONSTRAINTS, ids=lambda name: name)
def test_with_states_optima_are_proved_and_verified(ic, ir):
    env = PublicStates(random_base(1, 1, 2, steered=True), random_state(1))
    best = mo.optimum(env, ic, ir, exact=True)
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    assert float(best.exact) == pytest.approx(best.value, abs=1e-8)
    for exact in (False, True):
        assert mo.verify(best.mechanism, exact=exact).holds


def test_two_agents_with_states_are_proved():
    env = PublicStates(random_base(2, 2, 2), random_state(2))
    for ic in ("bayesian", "periodic-ex-post", "bayesian-own"):
        best = mo.optimum(env, ic, "interim", exact=True)
        assert mo.formats.check_certificate(env, best.certificate) == best.exact
        assert mo.verify(best.mechanism, exact=True).holds


def test_what_a_public_state_is_not():
    """Worth 3 if type and state agree, else 1, both uniform: a dummy who reports at once gives 2, a state 1.5."""
    base = mo.MarkovTypes([[[0, 0], [0, 0]]], [[[1, 0], [0, 1]]], [["1/2", "1/2"]], actions=["keep", "sell"], horizon=1)
    worth = [[[0, 0], [3, 1]], [[0, 0], [1, 3]]]
    public = PublicStates(base, PublicState(["a", "b"], ["1/2", "1/2"]), [worth])
    assert mo.optimum(public, "bayesian", "interim").value == pytest.approx(1.5)
    joint = [[[0, 0], [0, 0]], [[3, 1], [1, 3]]]
    nothing = [[[0, 0], [0, 0]]] * 2
    dummy = mo.InterdependentTypes([joint, nothing], None, [["1/4", "1/4"]] * 2, horizon=1)
    assert mo.optimum(dummy, "bayesian", "interim").value == pytest.approx(2)
    told = mo.optimum(dummy, "periodic-ex-post", "periodic-ex-post-ir").value
    assert told == pytest.approx(mo.optimum(public, "periodic-ex-post", "periodic-ex-post-ir").value)


def test_misreports_of_the_state_are_none():
    """A mechanism that pays for the state: nobody can claim another one; a private type would."""
    base = mo.MarkovTypes([[[1]]], [[[1]]], [[1]], actions=["keep"], horizon=1)
    env = PublicStates(base, PublicState(["a", "b"], ["1/2", "1/2"]))
    tree = mo.optimum(env).mechanism.tree
    gift = mo.SequenceMechanism(tree, [np.ones((2, 1))], [np.array([[[0.0], [-5.0]]])])
    for ic in ("bayesian", "periodic-ex-post", "adjacent", "downward", "bayesian-own", "bayesian-actions"):
        for exact in (False, True):
            assert mo.verify(gift, ic, exact)[ic].holds


def test_a_misreport_that_gains_replays_in_the_words_of_the_model():
    env = inventory(1, [[1, 3]], [["1/2", "1/2"]], [[["3/4", "1/4"], ["1/4", "3/4"]]], horizon=2)
    best = mo.optimum(env, None, "interim").mechanism  # no incentives at all
    for ic in ("bayesian", "periodic-ex-post"):
        check = mo.verify(best, ic)[ic]
        assert check.status == "violated"
        assert check.counterexample.replay(best) == pytest.approx(check.gain)
        assert mo.verify(best, ic, exact=True)[ic].gain == pytest.approx(check.gain)


def ironed_stopping(distributions, discount):
    """V_t = E max(ironed virtual value of the period, discount V_t+1)."""
    value = Fraction(0)
    for values, chances in reversed(distributions):
        virtual = mo.virtual_values(values, chances)
        value = sum(
            Fraction(p) * max(Fraction(float(v)).limit_denominator(10**9), discount * value)
            for v, p in zip(virtual, chances, strict=True)
        )
    return float(value)


@pytest.mark.parametrize("seed", range(4))
def test_one_unit_and_buyers_of_one_period_is_optimal_stopping(seed):
    rng = np.random.default_rng(seed)
    distributions = [(sorted(rng.choice(8, 3, replace=False).tolist()), distribution(rng, 3)) for _ in range(2)]
    actions = ["keep", "sell to 0", "sell to 1"]
    (v, p), (w, q) = distributions
    values = [
        [[[0] * 3, v, [0] * 3], [[0], [0], [0]]],
        [[[0], [0], [0]], [[0] * 3, [0] * 3, w]],
    ]
    base = mo.MarkovTypes(values, [[[[1]] * 3], [[q]]], [p, [1]], actions=actions, horizon=2, discount="9/10")
    sold = [[1, 0], [1, 0]]
    stock = PublicState(["0", "1"], [0, 1], [[[1, 0], [0, 1]], sold, sold], "stock", {"0": actions[1:]})
    best = mo.optimum(PublicStates(base, stock), "bayesian", "per-period")
    assert best.value == pytest.approx(ironed_stopping(distributions, Fraction(9, 10)), abs=1e-8)


def test_deterministic_optima_obey_the_states():
    env = inventory(1, [[1, 3]], [["1/2", "1/2"]], [[["3/4", "1/4"], ["1/4", "3/4"]]], horizon=3)
    best = mo.optimum(env, deterministic=True)
    assert best.status is Status.OPTIMAL and mo.verify(best.mechanism).holds
    assert best.value <= mo.optimum(env).value + 1e-8


def test_stock_is_never_oversold_and_enough_stock_is_no_stock():
    rows = [[1, 3]], [["1/2", "1/2"]], [[["3/4", "1/4"], ["1/4", "3/4"]]]
    free = mo.MarkovTypes([[[0, 0], [1, 3]]], rows[2], rows[1], actions=["keep", "sell"], horizon=3)
    values = [mo.optimum(inventory(k, *rows, horizon=3)).value for k in (1, 2, 3, 5)]
    assert values == sorted(values)
    assert values[2] == pytest.approx(mo.optimum(free).value) == pytest.approx(values[3])
    best = mo.optimum(inventory(1, *rows, horizon=3)).mechanism
    assert max(len([a for _, a in best.tree.history(2, s) if a == 1]) for s in np.flatnonzero(best.mass(2) > 1e-9)) <= 1


def test_a_buyer_who_never_comes_buys_nothing_and_one_who_is_here_is_a_buyer():
    rows = [1, 3], ["1/2", "1/2"], [["3/4", "1/4"], ["1/4", "3/4"]]
    assert mo.optimum(random_arrivals(0, *rows, horizon=2)).value == pytest.approx(0, abs=1e-9)
    here = mo.optimum(random_arrivals(1, *rows, horizon=2)).value
    plain = mo.MarkovTypes([[[0, 0], rows[0]]], [rows[2]], [rows[1]], horizon=2)
    assert here == pytest.approx(mo.optimum(plain).value)


def test_demand_of_one_level_is_none():
    rows = [[1, 3]], [["1/2", "1/2"]], [[["3/4", "1/4"], ["1/4", "3/4"]]]
    flat = demand_states({"low": 1, "same": 1}, ["1/2", "1/2"], [["1/2", "1/2"]] * 2, *rows, horizon=2)
    plain = mo.MarkovTypes([[[0, 0], [1, 3]]], rows[2], rows[1], horizon=2)
    assert mo.optimum(flat).value == pytest.approx(mo.optimum(plain).value)
    double = demand_states({"high": 2}, [1], [[1]], *rows, horizon=2)
    assert mo.optimum(double).value == pytest.approx(2 * mo.optimum(plain).value)


@pytest.mark.parametrize(
    "terms", [{"outside": ["1/2"]}, {"discounts": ["9/10"]}, {"seller_values": [[[0, 0], [1, -1]]]}]
)
def test_what_the_rest_says_is_kept(terms):
    """Outside options, agents' own discounts and what types are worth to the seller, beside a state of one value."""
    rows = [[[0, 0], [1, 3]]], [[["3/4", "1/4"], ["1/4", "3/4"]]], [["1/2", "1/2"]]
    base = mo.MarkovTypes(*rows, horizon=2, discount="4/5", **terms)
    one = PublicStates(base, PublicState(["only"], [1]))
    for asked in ({}, {"subject_to": "no-subsidy", "ir": "periodic"}):
        plain, stated = mo.optimum(base, **asked), mo.optimum(one, **asked)
        assert stated.status is plain.status
        if plain.status is Status.OPTIMAL:
            assert stated.value == pytest.approx(plain.value, abs=1e-8)
            assert mo.verify(stated.mechanism).holds
    assert mo.loads(one.to_toml()) == one


def test_separable_and_interdependent_types_have_states_too():
    separable = mo.load("kakade-lobel-nazerzadeh-2013/non-separable")
    one = PublicStates(separable, PublicState(["only"], [1]))
    assert mo.optimum(one).value == pytest.approx(mo.optimum(separable).value)
    coin = [["3/8", "1/8"], ["1/8", "3/8"]]
    worth, none = [[0, 1], [1, 2]], [[0, 0], [0, 0]]
    joint = mo.InterdependentTypes([[worth, none], [none, worth]], [[coin, coin]] * 2, coin, horizon=2)
    same = PublicStates(joint, PublicState(["only"], [1]))
    assert mo.optimum(same).value == pytest.approx(mo.optimum(joint).value)
    assert mo.relaxed_optimum(one).value == pytest.approx(mo.relaxed_optimum(separable).value)
    assert mo.relaxed_optimum(same).value == pytest.approx(mo.relaxed_optimum(joint).value)
