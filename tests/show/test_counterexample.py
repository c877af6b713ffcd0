"""Violations in the words of the model."""

import numpy as np
import pytest

import mechopt as mo
from mechopt.show.counterexample import sentence

ENV = mo.MarkovTypes(
    [[[0, 0], [1, 2]]],
    [[["3/4", "1/4"], ["1/4", "3/4"]]],
    [["1/2", "1/2"]],
    types=[["low", "high"]],
    actions=["keep", "sell"],
    names=["Ann"],
    horizon=2,
)


def refunded(amount):
    """The optimum, but who reported low twice is paid back an amount at the end."""
    best = mo.optimum(ENV).explain().mechanism
    payment = [part.copy() for part in best.payment]
    payment[1][0, 0] -= amount
    return type(best)(best.tree, best.allocation, tuple(payment), best.claims, "")


def test_a_misreport_is_told_by_the_names_of_types():
    wrong = refunded(9)
    found = mo.verify(wrong, mo.PeriodicExPostIC())["periodic-ex-post"].counterexample
    told = sentence(found, ENV)
    assert told.startswith(("after low, in period 1: reporting low instead of high gains", "at the start: reporting"))
    assert str(round(found.gain, 6)).rstrip("0").rstrip(".") in told or "/" in told


def test_a_loss_is_told_by_the_name_of_the_type():
    wrong = refunded(-9)
    found = mo.verify(wrong, mo.PeriodicIR())["periodic"].counterexample
    assert sentence(found, ENV).startswith("after low, in period 1: the agent of type low has utility -")


def test_others_and_buyers_are_named():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1, agents=2)
    sale = np.zeros((2, 1, 2, 2))
    sale[0, 0, 1] = 1
    wrong = mo.Mechanism(env, [sale], [3.0 * sale])
    told = sentence(mo.verify(wrong, mo.EPIR())["epir"].counterexample, env)
    assert told == "at the start, while buyer 1 is 1: buyer 0 of type 2 has utility -1"
    assert sentence(mo.verify(wrong, mo.ExPostIC())["ex-post"].counterexample, env) == (
        "at the start, while buyer 1 is 1: buyer 0 reporting 1 instead of 2 gains 1"
    )


def test_violated_payments_are_told_by_names():
    wrong = refunded(9)
    found = mo.verify(wrong, mo.NoSubsidy())["no-subsidy"].counterexample
    assert sentence(found, ENV).startswith("after low, in period 1, reports low: the agent is paid ")
    found = mo.verify(refunded(-9), mo.Budget(1))["budget:1"].counterexample
    assert "low" in sentence(found, ENV) and "above the budget" in sentence(found, ENV)


def test_money_of_a_later_period_is_told_in_present_value():
    env = mo.IndependentTypes.iid([1], [1], horizon=2, discount="1/2")
    sale = [np.ones((1, 1, 1)), np.ones((1, 1, 1))]
    wrong = mo.Mechanism(env, sale, [sale[0], -3 * sale[1]])
    found = mo.verify(wrong, mo.NoSubsidy())["no-subsidy"].counterexample
    assert sentence(found, env) == "after 1, in period 1, reports 1: the agent is paid 3/2 in present value"


def test_a_lottery_where_nothing_may_be_drawn_is_told_as_one():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    drawn = mo.Mechanism(env, [np.array([[[0.25, 1.0]]])], [np.zeros((1, 1, 2))])
    found = mo.verify(drawn, mo.Deterministic())["deterministic"].counterexample
    assert sentence(found, env) == "at the start, reports 1: what buyer 0 gets is drawn, 1/4 off certainty"
    weights = tuple(np.full_like(part, 0.5) for part in mo.optimum(ENV).mechanism.allocation)
    best = mo.optimum(ENV).explain().mechanism
    wrong = type(best)(best.tree, weights, best.payment, (), "")
    found = mo.verify(wrong, mo.Deterministic())["deterministic"].counterexample
    assert "what is done is drawn, 1/2 off certainty" in sentence(found, ENV)
    assert "cost" not in sentence(found, ENV)


def test_conflicts_and_what_is_unbounded_are_told_by_names():
    best = mo.optimum(ENV, ir=None)
    assert best.status == "unbounded" and all("Ann" in line for line in best.conflict)
    best = mo.optimum(ENV, subject_to="no-subsidy+budget:-1")
    assert best.status == "infeasible"
    assert {line.split(", period")[0] for line in best.conflict} >= {"no-subsidy, Ann", "budget:-1, Ann"}
    assert all("after low" in line or "after high" in line or "at the start" in line for line in best.conflict)


def test_notebooks_say_it():
    table = mo.verify(refunded(9), mo.PeriodicExPostIC())._repr_html_()
    assert "reporting low instead of high gains" in table and "agent 0" not in table
    (told,) = mo.verify(refunded(9), mo.PeriodicExPostIC()).to_frame()["counterexample"]
    assert "reporting low instead of high gains" in told


def test_verify_says_it(mechopt, tmp_path):
    env = mo.load("mirrokni-2020/two-values-two-periods")
    best = mo.optimum(env).mechanism
    payment = [part.copy() for part in best.payment]
    payment[1][0, 1, 0] += 10
    mo.Mechanism(env, best.allocation, payment, best.claims).save(tmp_path / "wrong.npz")
    status, out, _ = mechopt("verify", "mirrokni-2020/two-values-two-periods", tmp_path / "wrong.npz")
    assert status == 1
    assert "after 2, in period 1: reporting 2 instead of 1 gains" in out


@pytest.mark.parametrize("name", ["repeated-second-price"])
def test_a_revenue_of_nothing_is_printed_as_0(mechopt, name):
    _, out, _ = mechopt("compare", "mirrokni-2020/two-values-three-periods", "--mechanisms", name)
    row = next(line for line in out.splitlines() if line.startswith(name)).split()
    assert (row[1], row[3]) == ("0", "0.0000")


def test_bounds_stand_apart_from_mechanisms(mechopt):
    _, out, _ = mechopt("compare", "battaglini-2005/two-types")
    mechanisms, bounds = out.split("no mechanism earns more than")
    assert "relaxed-bound" in bounds and "relaxed-bound" not in mechanisms
    assert "dynamic-pivot" in mechanisms


def test_models_are_a_table_that_cuts_no_name(mechopt, monkeypatch):
    import sys

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = mechopt("models")
    assert "battaglini-2005/local-constraints-are-not-enough" in out
    assert max(map(len, out.splitlines())) <= 80
    assert out.splitlines()[0].split() == ["model", "about"]
