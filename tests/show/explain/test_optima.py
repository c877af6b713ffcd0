"""Readable optima: sizes of the tables, the optimum earned and verified, and no dependence on the solver's choices."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import mechopt as mo
from mechopt.lp.build import compile_program
from mechopt.lp.substitution import substituted, tied
from mechopt.show.explain import memory, payments
from mechopt.show.explain.play import play_of
from mechopt.show.explain.programs import criteria, optimal_face
from tests.instances import INCENTIVES, PARTICIPATION
from tests.persistent_instances import battaglini, random_markov, three_types

STAY = [["7/10", "1/5", "1/10"], ["3/20", "7/10", "3/20"], ["1/10", "1/5", "7/10"]]


def subscription(discount=1):
    return mo.MarkovTypes(
        [[[0, 0, 0], [1, 2, 4]]],
        [STAY],
        [["1/3"] * 3],
        types=[["low", "mid", "high"]],
        actions=["keep", "sell"],
        horizon=5,
        discount=discount,
    )


def two_values(periods):
    return mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=periods)


def two_buyers():
    half = ["1/2", "1/2"]
    return mo.IndependentTypes([[[1, 2]] * 3, [[1, 3]] * 3], [[half] * 3, [half] * 3])


TABLE = {
    "battaglini-3": (battaglini(3), 7, 2, 3, "nothing of the past"),
    "battaglini-5": (battaglini(5), 31, 2, 3, "nothing of the past"),
    "local-constraints": (three_types(2), 4, 2, 3, "the last report"),
    "two-values-3": (two_values(3), 7, 3, 3, "the first report"),
    "two-values-4": (two_values(4), 15, 8, 6, "the whole history"),
    "two-values-5": (two_values(5), 31, 10, 10, "the whole history"),
    "subscription": (subscription(), 121, 4, 5, "the highest report so far"),
    "subscription-discounted": (subscription("9/10"), 121, 4, 5, "the highest report so far"),
    "two-buyers-3": (two_buyers(), 21, 6, 9, "the first and the last report"),
    "screening": (mo.load("kakade-lobel-nazerzadeh-2013/non-separable"), 6, 2, 2, "the last report"),
}
"""Environment, histories, states, different payments, memory: the sizes that a separate prototype found."""


@pytest.mark.parametrize("name", TABLE)
def test_sizes_of_the_tables(name):
    env, histories, states, different, remembered = TABLE[name]
    best = mo.optimum(env)
    found = best.explain()
    assert (found.histories, len(found.states), found.payments) == (histories, states, different)
    assert found.memory == remembered
    assert found.mechanism.revenue == pytest.approx(best.value, rel=1e-9)
    assert mo.verify(found.mechanism).holds


@pytest.mark.slow
def test_sizes_of_the_table_of_an_auction_site():
    best = mo.optimum(mo.load("ebay/mario-kart-quantiles"))
    found = best.explain()
    assert (found.histories, len(found.states), found.payments) == (259, 52, 90)
    shares = [round(100 * share.share, 2) for share in found.shares]
    assert shares == [86.59, 94.28, 93.05, 96.50, 94.09, 97.40, 97.16, 99.71]


@pytest.mark.parametrize("name", ["two-values-4", "local-constraints", "battaglini-3", "two-buyers-3"])
def test_memory_shares_are_those_of_ties_on_all_histories(name):
    """Allocations that agree on all histories of a class, payments free: one variable a class in the whole program."""
    best = mo.optimum(TABLE[name][0])
    written = best.mechanism.to_mechanism() if hasattr(best.mechanism, "to_mechanism") else best.mechanism
    play = play_of(written)
    program, layout = compile_program(memory.plan_of(replace(best, mechanism=written)))
    features = {words: feature for words, feature, _ in memory.LADDER}
    for share in best.explain().shares:
        group = memory.tie_groups(play, layout, memory.labels(play, features[share.memory]))
        tied_value = optimal_face.best_point(substituted(program, tied(group), np.zeros(program.size[1]))).value
        assert share.value == pytest.approx(tied_value * layout.unit, rel=1e-8)


def test_ties_between_buyers_are_broken_alike_after_every_history():
    """Two buyers alike, whose optimum needs no memory: one state, not one a period."""
    found = mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=3, agents=2)).explain()
    assert (len(found.states), found.payments) == (1, 2)


def test_memory_shares_by_hand():
    """Without memory the best is the static optimum, 1 a period; the optimum of three periods is 7/2."""
    found = mo.optimum(two_values(3)).explain()
    assert found.shares[0].memory == "nothing of the past"
    assert found.shares[0].share == pytest.approx(6 / 7)
    assert [share.enough for share in found.shares] == [False, False, True]


def random_independent(seed):
    rng = np.random.default_rng(seed)
    buyers, periods = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    periods = min(periods, 2) if buyers > 1 else periods
    values, chances = [], []
    for _ in range(buyers):
        sizes = rng.integers(1, 4, periods)
        weights = [rng.integers(0, 5, k) for k in sizes]
        values.append([sorted(rng.choice(13, k, replace=False).tolist()) for k in sizes])
        weights = [w + (w.sum() == 0) for w in weights]
        chances.append([[Fraction(int(part), int(w.sum())) for part in w] for w in weights])
    return mo.IndependentTypes(values, chances, rng.integers(0, 4, periods).tolist(), rng.choice(["1", "9/10"]))


def random_problem(seed):
    rng = np.random.default_rng(seed)
    if seed % 2:
        ic = [mo.BayesianIC(), mo.PeriodicExPostIC()][int(rng.integers(2))]
        ir = [mo.Interim(), mo.EPIR(), mo.PPIR(), mo.PeriodicIR(), mo.PFIR()][int(rng.integers(5))]
        agents = int(rng.integers(1, 3))
        env = random_markov(seed, agents, periods=int(rng.integers(1, 4)), actions=2, sparse=bool(rng.integers(2)))
        return env, (ic,), (ir,)
    kinds = [ic for ic in INCENTIVES.values() if ic]
    ic, ir = kinds[int(rng.integers(len(kinds)))], list(PARTICIPATION.values())[int(rng.integers(len(PARTICIPATION)))]
    return random_independent(seed), ic, ir


def require_readable(seed):
    env, ic, ir = random_problem(seed)
    best = mo.optimum(env, ic, ir)
    if best.mechanism is None or getattr(best.mechanism, "limit", False):
        return
    found = best.explain()
    assert mo.verify(found.mechanism, (*ic, *ir)).holds
    assert found.mechanism.revenue >= best.value - 1e-8 * max(1.0, abs(best.value))
    rows = found.to_frame()
    assert set(rows["state"]) == {state.name for state in found.states}
    assert max(map(len, str(found).splitlines())) <= 80


@pytest.mark.parametrize("seed", range(24))
def test_random_optima_are_verified_and_earn_the_optimum(seed):
    require_readable(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(24, 300, 46))
def test_many_random_optima(first):
    for seed in range(first, min(first + 46, 300)):
        require_readable(seed)


def permuted(program):
    """Rows in another order, solved with the interior point method and no presolve; answers in the given order."""
    order = np.random.default_rng(3).permutation(program.size[0])
    matrix = program.matrix[order]
    other = replace(
        program,
        start=matrix.indptr.astype(np.int64),
        index=matrix.indices.astype(np.int64),
        value=matrix.data,
        row_lower=program.row_lower[order],
        row_upper=program.row_upper[order],
    )
    point = optimal_face.best_point(other, "ipx", presolve=False)
    if point is None:
        return None
    rows = np.empty_like(point.rows)
    rows[order] = point.rows
    return replace(point, rows=rows)


@pytest.mark.parametrize("name", ["two-values-4", "subscription", "local-constraints"])
def test_the_table_does_not_depend_on_the_solver(name, monkeypatch):
    best = mo.optimum(TABLE[name][0])
    usual = best.explain()
    for module in (memory, payments, criteria):
        monkeypatch.setattr(module, "best_point", permuted)
    other = best.explain()
    assert str(other) == str(usual)
    np.testing.assert_allclose(other.to_frame()["payment"], usual.to_frame()["payment"], atol=1e-8)


def test_a_mechanism_is_shown_with_its_own_payments():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3)
    found = mo.repeated_myerson(env).explain()
    assert found.structures[0] == "constant price: 1 for each item"
    assert [(rule.reports, rule.then, rule.payments) for rule in found.states[0].rules] == [("any", "sell", (1.0,))]
    assert found.shares == ()


def test_bank_accounts_and_policies_are_explained_from_their_tables():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=4)
    assert mo.explain(mo.non_clairvoyant_balance(env)).histories == 15
    policy = mo.optimum(env, method="promised")
    assert policy.explain().mechanism.revenue == pytest.approx(153 / 32, rel=1e-6)


def test_what_cannot_be_explained_says_so():
    with pytest.raises(mo.InputError, match="cannot be explained"):
        mo.explain(3)
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    with pytest.raises(mo.InputError, match="no mechanism to explain"):
        mo.optimum(env, ir=None).explain()


def test_a_saved_explanation_is_the_mechanism(tmp_path):
    env = subscription()
    found = mo.optimum(env).explain()
    found.mechanism.save(tmp_path / "readable.npz")
    again = mo.load_mechanism(tmp_path / "readable.npz", env).explain()
    assert again.to_frame().equals(found.to_frame())


def test_experience_good_whose_payments_are_only_a_limit_or_end():
    """Learning by use: actions are recorded, so that memory is not asked for."""
    env = mo.MarkovTypes(
        [[[0, 0], [1, 3]]],
        [[[[1, 0], [0, 1]], [["1/2", "1/2"], ["1/4", "3/4"]]]],
        [["1/2", "1/2"]],
        actions=["keep", "sell"],
        horizon=3,
    )
    found = mo.optimum(env).explain()
    assert found.memory is None and found.shares == ()
    assert mo.verify(found.mechanism).holds


def test_states_are_called_intervals_of_the_balance_only_where_they_are():
    env = two_values(4)
    best = mo.optimum(env)
    found = best.explain()
    said = any(words.startswith("balance") for words in found.structures)
    balance, apart = best.mechanism.realised, True
    for t, state in enumerate(found.automaton.state):
        ranges = [(balance[t][0][state == s].min(), balance[t][0][state == s].max()) for s in set(state.tolist())]
        ranges.sort()
        apart &= all(high < low - 1e-7 for (_, high), (low, _) in pairwise(ranges))
    assert said == apart


def test_fee_option_and_refund_are_told_apart():
    assert mo.optimum(two_values(3)).explain().structures[0].startswith("fee plus price")
    assert mo.optimum(three_types(2)).explain().structures[0].startswith("option")
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    sale = [np.ones((1, 1, 2)), np.array([[[0.0, 1.0], [0.0, 1.0]]])]
    money = [np.array([[[1.0, 1.5]]]), np.array([[[-0.5, 1.0], [0.0, 1.5]]])]
    assert mo.Mechanism(env, sale, money).explain().structures[0].startswith("refund")


@pytest.mark.parametrize("limit", [mo.PaymentCap("3/2"), mo.Budget(3), mo.NoSubsidy(), mo.PrefixBudget(2)], ids=str)
@pytest.mark.parametrize("env", [two_values(3), battaglini(3)], ids=["independent", "persistent"])
def test_constraints_on_payments_are_satisfied_by_what_is_shown(env, limit):
    best = mo.optimum(env, subject_to=[limit])
    found = best.explain()
    assert mo.verify(found.mechanism, (*best.ic, *best.ir, limit)).holds
    assert found.mechanism.revenue == pytest.approx(best.value, rel=1e-8)


def test_one_state_is_not_called_a_balance():
    best = mo.optimum(mo.IndependentTypes.iid([3], [1], horizon=1))
    assert best.explain().structures == ("constant price: 3 for each item",)
