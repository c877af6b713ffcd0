"""Exact revenues of closed forms equal those of the mechanisms, which are computed in floats elsewhere."""

from fractions import Fraction
from random import Random

import pytest

import mechopt as mo
from mechopt.closedform.functions import (
    balance_revenue,
    first_best,
    ironed,
    myerson_revenue,
    posted_revenue,
    second_price_revenue,
    two_period_revenue,
)
from mechopt.core.errors import InputError


def environment(seed: int, buyers: int) -> mo.IndependentTypes:
    random = Random(seed)
    periods = random.choice([1, 2, 3])
    values, probabilities = [], []
    for _ in range(buyers):
        row_v, row_p = [], []
        for _ in range(periods):
            count = random.choice([1, 2, 3])
            row_v.append(sorted(random.sample(range(9), count)))
            masses = [random.choice([0, 1, 2, 5]) for _ in range(count - 1)] + [1]
            row_p.append([Fraction(m, sum(masses)) for m in masses])
        values.append(row_v)
        probabilities.append(row_p)
    cost = [random.choice([0, 1, Fraction(3, 2)]) for _ in range(periods)]
    return mo.IndependentTypes(values, probabilities, cost, random.choice([1, "9/10", "1/2"]))


@pytest.mark.parametrize("buyers", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_revenues_are_those_of_the_mechanisms(seed: int, buyers: int) -> None:
    env = environment(100 * buyers + seed, buyers)
    assert float(myerson_revenue(env.exact)) == pytest.approx(mo.repeated_myerson(env).revenue, abs=1e-12)
    assert float(second_price_revenue(env.exact)) == pytest.approx(mo.repeated_second_price(env).revenue, abs=1e-12)
    assert float(first_best(env.exact)) == pytest.approx(env.first_best, abs=1e-12)
    if buyers == 1:
        assert float(balance_revenue(env.exact)) == pytest.approx(mo.non_clairvoyant_balance(env).revenue, abs=1e-9)
        if env.horizon == 2:
            assert float(two_period_revenue(env.exact)) == pytest.approx(mo.two_period(env).revenue, abs=1e-9)
    else:
        with pytest.raises(InputError, match="one buyer only"):
            balance_revenue(env.exact)


def test_ironing_and_posted_prices_at_their_ends() -> None:
    half = Fraction(1, 2)
    law = [(Fraction(1), half), (Fraction(2), half)]
    assert ironed(law) == [0, 2]
    assert [posted_revenue(law, cap) for cap in (0, half, Fraction(3, 2))] == [1, 1, 0]
    assert posted_revenue(law, Fraction(1)) == Fraction(1, 2)  # the price 1/2, at which both buy
