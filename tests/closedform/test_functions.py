"""Exact revenues of closed forms equal those of the mechanisms, which are computed in floats elsewhere."""

from fractions import Fraction
from random import Random

import pytest

import mechopt as mo
from mechopt.closedform.bank.burning_functions import burnt, posted_revenue
from mechopt.closedform.bank.functions import asymptotic_revenue, balance_revenue, two_period_revenue
from mechopt.closedform.static.functions import first_best, ironed, myerson_revenue, second_price_revenue
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
    assert float(asymptotic_revenue(env.exact)) == pytest.approx(mo.asymptotic(env).revenue, abs=1e-9)
    if buyers > 2:
        with pytest.raises(InputError, match="one buyer or two"):
            balance_revenue(env.exact)
        return
    assert float(balance_revenue(env.exact)) == pytest.approx(mo.non_clairvoyant_balance(env).revenue, abs=1e-9)
    if env.horizon == 2:
        assert float(two_period_revenue(env.exact)) == pytest.approx(mo.two_period(env).revenue, abs=1e-9)


def test_the_asymptotic_mechanism_charges_the_fee_where_balances_cover_it() -> None:
    """A large first period leaves a buyer more than later fees."""
    half, later = ["1/2", "1/2"], [[1, 2]] * 3
    for values in ([[[8, 9], *later]], [[[8, 9], *later], [[1, 2], *later]]):
        env = mo.IndependentTypes(values, [[half] * 4] * len(values))
        assert float(asymptotic_revenue(env.exact)) == pytest.approx(mo.asymptotic(env).revenue, abs=1e-9)
        assert asymptotic_revenue(env.exact) > second_price_revenue(env.exact)


def test_money_burnt_for_two_buyers_stays_within_the_caps() -> None:
    half = Fraction(1, 2)
    distribution = [(Fraction(1), half), (Fraction(2), half)]
    for caps in ((Fraction(0), Fraction(3, 2)), (Fraction(1, 4), Fraction(1)), (Fraction(3, 2), Fraction(3, 2))):
        auction = burnt([distribution, distribution], caps)
        assert all(u <= cap for u, cap in zip(auction.utility, caps, strict=True))
        assert sum(auction.utility) + auction.revenue <= Fraction(7, 4)  # expected surplus of the efficient rule


def test_ironing_and_posted_prices_at_their_ends() -> None:
    half = Fraction(1, 2)
    distribution = [(Fraction(1), half), (Fraction(2), half)]
    assert ironed(distribution) == [0, 2]
    assert [posted_revenue(distribution, cap) for cap in (0, half, Fraction(3, 2))] == [1, 1, 0]
    assert posted_revenue(distribution, Fraction(1)) == Fraction(1, 2)  # the price 1/2, at which both buy
