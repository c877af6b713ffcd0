"""Closed forms do not know the future: it is changed, at random too, and what they do before stays."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.closedform.bank.conversions import quasi_non_clairvoyant
from mechopt.study.compare.foresight import foresight
from mechopt.verification.scenarios.futures import changed_futures, check_rule
from tests.instances import environments

RULES = {
    "repeated-myerson": mo.repeated_myerson,
    "repeated-second-price": mo.repeated_second_price,
    "give-for-free": mo.give_for_free,
    "balance": mo.non_clairvoyant_balance,
    "asymptotic": mo.asymptotic,
}


@settings(max_examples=15, deadline=None)
@given(environments(max_buyers=2, max_periods=3, max_types=3), st.integers(0, 10**6))
def test_closed_forms_treat_every_future_alike(env, seed):
    futures = changed_futures(env, seed, drawn=2)
    for name, rule in RULES.items():
        check = check_rule(rule, futures)
        assert check.holds, (name, check)
    balance = check_rule(
        lambda e: quasi_non_clairvoyant(mo.non_clairvoyant_balance(e)), futures, mo.results.QuasiNonClairvoyant()
    )
    assert balance.holds, balance


@settings(max_examples=25, deadline=None)
@given(environments(max_buyers=2, max_periods=3, max_types=3), st.integers(0, 10**6))
def test_futures_keep_the_past(env, seed):
    futures = changed_futures(env, seed)
    cut = futures[0].horizon
    assert all(same(env, futures[0], t) for t in range(cut))
    for other in futures[1:]:
        assert same(env, other, 0)
        assert (other.discount, other.agents) == (env.discount, env.agents)
        assert other.horizon != cut or not all(same(env, other, t) for t in range(cut))
    kept = {next((t for t in range(min(o.horizon, cut)) if not same(env, o, t)), cut) for o in futures[1:]}
    assert set(range(1, cut + 1)) <= kept  # a future is changed after every period


def same(a, b, t):
    """Whether a period is that of the other environment."""
    values = all((x[t].tolist(), p[t].tolist()) == (y[t].tolist(), q[t].tolist()) for x, p, y, q in rows(a, b))
    return values and a.cost[t] == b.cost[t]


def rows(a, b):
    return zip(a.values, a.probabilities, b.values, b.probabilities, strict=True)


def test_a_rule_that_looks_one_period_ahead_is_caught():
    """It gives the item away wherever the next one is worth more than 3."""

    def rule(env):
        myerson, free = (
            made(env).to_mechanism() if hasattr(made(env), "to_mechanism") else made(env)
            for made in (mo.repeated_myerson, mo.give_for_free)
        )
        generous = [t + 1 < env.horizon and env.values[0][t + 1][-1] > 3 for t in range(env.horizon)]
        parts = [
            [(f if g else m) for m, f, g in zip(getattr(myerson, k), getattr(free, k), generous, strict=True)]
            for k in ("allocation", "payment")
        ]
        return mo.Mechanism(env, *parts)

    env = mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=3)
    check = check_rule(rule, changed_futures(env))
    assert not check.holds
    assert check.counterexample.what in ("allocation", "payment")
    assert foresight(rule, env) == "no"


def test_two_periods_are_asked_for_two_alone():
    env = mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=2)
    assert check_rule(mo.two_period, changed_futures(env)).holds
    with pytest.raises(mo.InputError, match="no two of these environments"):
        check_rule(mo.two_period, changed_futures(mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=1))[:1])
    with pytest.raises(mo.InputError, match="differ in discount"):
        check_rule(mo.two_period, [env, mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], 2, discount="1/2")])


def test_what_compare_says():
    env = mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon=3)
    table = mo.compare(env)
    said = {entry.name: entry.non_clairvoyant for entry in table.entries}
    assert said.pop("quasi-non-clairvoyant") == "but for the last period"
    optima = {"clairvoyant-optimum", "bank-account", "clairvoyant-per-period"}
    assert {name for name, answer in said.items() if answer == "no"} == optima
    assert {answer for name, answer in said.items() if name not in optima} == {"yes"}
    assert table.to_frame()["non_clairvoyant"].to_dict() == {e.name: e.non_clairvoyant for e in table.entries}
    assert "non-clairvoyant" in table.cells()[0]
    large = mo.IndependentTypes.iid(range(1, 2001), ["1/2000"] * 2000, horizon=1)
    assert foresight(mo.repeated_myerson, large) == ""


@pytest.mark.parametrize("horizon", [2, 3])
def test_the_quasi_row_is_the_transform_of_the_balance_mechanism(horizon):
    """Revenue and guarantee are those of the mechanism behind it; PPIR is new. The optimum's is another row."""
    env = mo.IndependentTypes(
        [[[1, 4], [2, 4, 8], [1, 3]][:horizon]], [[["1/2", "1/2"], ["1/2", "1/4", "1/4"], ["1/3", "2/3"]][:horizon]]
    )
    table = mo.compare(env)
    row = table["quasi-non-clairvoyant"]
    behind = table["two-period" if horizon == 2 else "non-clairvoyant-balance"]
    assert (row.revenue, row.guarantee) == (pytest.approx(behind.revenue, abs=1e-9), behind.guarantee)
    assert row.ratio < 1 - 1e-3
    assert row.report["per-period"].holds
    assert row.report["dic"].holds
    clairvoyant = table["clairvoyant-per-period"]
    assert clairvoyant.ratio == pytest.approx(1)
    assert clairvoyant.guarantee is None
    assert clairvoyant.report["per-period"].holds


def test_a_guarantee_is_carried_on_and_kept_in_files(tmp_path):
    env = mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon=2)
    made = mo.quasi_non_clairvoyant(mo.two_period(env))
    assert str(made.guarantee) == "1/2"
    made.save(tmp_path / "quasi.npz")
    assert mo.load_mechanism(tmp_path / "quasi.npz", env).guarantee == made.guarantee
    mo.optimum(env).mechanism.save(tmp_path / "best.npz")
    assert mo.load_mechanism(tmp_path / "best.npz", env).guarantee is None
    assert mo.bank_account(made).guarantee == made.guarantee


@pytest.mark.parametrize(
    ("types", "agents", "horizon"),
    [([2] * 10, 1, 7), ([2] * 5, 2, 3), ([10, 15, 2], 1, 2), ([400], 1, 1), ([400, 2], 1, 1)],
)
def test_environments_are_cut_so_that_a_period_of_two_types_more_has_300_histories_at_most(types, agents, horizon):
    rows = [[[1 + Fraction(k, 1000) for k in range(n)] for n in types]] * agents
    env = mo.IndependentTypes(rows, [[[f"1/{n}"] * n for n in types]] * agents)
    assert changed_futures(env, drawn=0)[0].horizon == horizon


NEARLY = "33333333333333331/100000000000000000"
"""The float 1/3."""


def described(env):
    """Values and chances by period, of the first buyer; costs."""
    exact = env.exact
    return [(list(exact.values[0][t]), list(exact.probabilities[0][t]), exact.cost[t]) for t in range(env.horizon)]


def test_futures_are_nothing_little_and_much():
    """Little is a tenth of the most that anything was worth, 5; much is that, and rarely ten times it."""
    env = mo.IndependentTypes(
        [[[1, 2], [3, 5], [4]]] * 2, [[["1/2", "1/2"], ["1/3", "2/3"], [1]]] * 2, ["1/7", 0, 1], discount=NEARLY
    )
    own = described(env)
    little = ([Fraction(1, 2)], [1], 0)
    much = ([5, 50], [Fraction(9, 10), Fraction(1, 10)], 0)
    wanted = [own, own[:1], [own[0], little, little], [own[0], much, much]]
    wanted += [own[:2], [*own[:2], little], [*own[:2], much], [*own, little], [*own, much]]
    futures = changed_futures(env, drawn=0)
    assert [described(other) for other in futures] == wanted
    assert {other.exact.discount for other in futures} == {Fraction(NEARLY)}
    assert all(other.exact.values[0] == other.exact.values[1] for other in futures)
    drawn = [described(other) for other in changed_futures(env)]
    assert drawn[:4] + drawn[5:8] + drawn[9:11] == wanted
    for t, other in enumerate((drawn[4], drawn[8], drawn[11])):
        assert other[: t + 1] == own[: t + 1] and len(other) == [3, 3, 4][t] and other[t + 1 :] != own[t + 1 :]


def test_where_nothing_is_worth_anything_much_is_one():
    env = mo.IndependentTypes([[[0]]], [[[1]]])
    assert [described(other)[-1][0] for other in changed_futures(env, drawn=0)[1:]] == [[Fraction(1, 10)], [1, 10]]


def test_futures_at_random_are_of_two_values_up_to_twice_the_most():
    """Two of 1 to 40 twentieths of 3, and chances of 1 to 9 tenths: each comes among 600."""
    env = mo.IndependentTypes([[[1, 3]]], [[["1/2", "1/2"]]])
    values, chances = [], []
    for other in changed_futures(env, drawn=600)[3:]:
        (low, high), (likely, rest), cost = described(other)[1]
        assert low < high and likely + rest == 1 and cost == 0
        values += [low * 20 / 3, high * 20 / 3]
        chances.append(likely * 10)
    assert set(values) == set(range(1, 41)) and set(chances) == set(range(1, 10))


def test_periods_are_the_same_where_their_exact_numbers_are():
    """A third, and what is the same float, are two periods; one that ends and one that goes on begin alike."""
    one = mo.IndependentTypes.iid(["1/3", 2], ["1/2", "1/2"], horizon=1)
    other = mo.IndependentTypes.iid([NEARLY, 2], ["1/2", "1/2"], horizon=1)
    assert one.values[0][0].tolist() == other.values[0][0].tolist() and one.exact.values != other.exact.values
    with pytest.raises(mo.InputError, match="no two of these environments"):
        check_rule(mo.repeated_myerson, [one, other])
    longer = mo.IndependentTypes.iid(["1/3", 2], ["1/2", "1/2"], horizon=2)
    check = check_rule(mo.repeated_myerson, [one, longer])
    assert check.holds and check.exact is None
