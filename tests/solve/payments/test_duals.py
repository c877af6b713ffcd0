"""Shadow prices: by hand, and between the one-sided derivatives of the optimum, for both kinds of types."""

from __future__ import annotations

from fractions import Fraction

import pytest

import mechopt as mo
from tests.persistent_instances import battaglini
from tests.solve.payments.test_independent import random_types
from tests.solve.payments.test_persistent import random_chain

LOW = mo.IndependentTypes.iid([1, 2], ["3/4", "1/4"], 1)


@pytest.mark.parametrize("form", ["utility", "payment"])
def test_which_incentive_constraint_binds(form):
    # Sell to both at 1: if type 2 may gain e by reporting 1 she can pay e more, and all may pay what IR leaves them.
    duals = mo.optimum(LOW, form=form).duals
    assert duals.by_constraint() == pytest.approx({("dic", 0): 0.25, ("epir", 0): 1.0})
    row = duals.prices[0]
    assert (row.constraint, row.agent, row.period, row.history) == ("dic", 0, 0, "[]")
    assert row.about == "true type 1, report 0"
    frame = duals.to_frame()
    assert list(frame.columns) == ["constraint", "agent", "period", "history", "about", "price"]
    assert frame["price"].sum() == pytest.approx(1.25)
    assert "dic of agent 0 0.25" in repr(duals)


def slopes(value, amount):
    """Left and right derivatives of an exact, concave, piecewise linear function near an amount."""
    step = Fraction(1, 10**6)
    here = value(amount)
    return float((here - value(amount - step)) / step), float((value(amount + step) - here) / step)


@pytest.mark.parametrize("label", ["budget", "prefix-budget", "payment-cap"])
@pytest.mark.parametrize("amount", ["1/2", "7/5", "2"])
@pytest.mark.parametrize("make", ["independent", "persistent", "steered"])
@pytest.mark.parametrize("seed", range(2))
def test_a_unit_of_money_is_worth_its_price(seed, make, amount, label):
    env = random_types(2 * seed + 1) if make == "independent" else random_chain(seed, make == "steered")
    ir = "interim"

    def value(at):
        return mo.formats.certify(env, ir=ir, subject_to=f"{label}:{at}").value

    found = mo.optimum(env, ir=ir, subject_to=f"{label}:{amount}").duals.by_constraint()
    price = sum(part for (name, _), part in found.items() if name.startswith(label))
    left, right = slopes(value, Fraction(amount))
    assert right - 1e-6 <= price <= left + 1e-6


def test_the_price_of_money_is_in_money_of_its_period():
    # Worth the same whatever the unit of the currency: prices of money for money do not change, those of supply do.
    dear = mo.IndependentTypes.iid([1000, 4000], ["1/2", "1/2"], 1, agents=2)
    cheap = mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], 1, agents=2)
    one, other = (mo.optimum(e, subject_to=f"budget:{b}").duals.by_constraint() for e, b in ((cheap, 2), (dear, 2000)))
    assert sum(p for (n, i), p in one.items() if n.startswith("budget")) == pytest.approx(
        sum(p for (n, i), p in other.items() if n.startswith("budget"))
    )
    assert other["supply", None] == pytest.approx(1000 * one["supply", None])


def test_where_there_is_no_solution_there_are_no_prices():
    assert mo.optimum(LOW, subject_to="no-subsidy+budget:-1").duals is None
    assert mo.optimum(battaglini(2), method="dual").duals is None
    assert mo.optimum(LOW, subject_to="budget:100").duals.by_constraint().get(("budget:100", 0), 0) == 0
