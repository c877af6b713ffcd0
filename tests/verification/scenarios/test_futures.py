"""Closed forms do not know the future: it is changed, at random too, and what they do before stays."""

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
