"""Truthful bids of winner-pay auctions against plain loops over signals, next signals and bids, in fractions."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.contingent.bidders import auction_of
from mechopt.core.errors import InputError

OPEN = mo.PeriodicExPostIC()


def coin(scale=1):
    """Each next signal is high with the probability of the present ones' average; signals 0 and ``scale``."""
    average = np.array([[Fraction(0), Fraction(1, 2)], [Fraction(1, 2), Fraction(1)]], dtype=object)
    table = np.stack([1 - average, average], axis=-1)
    return [0, scale], table[:, :, :, None] * table[:, :, None, :]


def plain_gain(gamma, grid, kernel, eta, delta, mirror):
    """Largest gain of any bid on a fine grid of bids, two bidders, from the definition of the auction."""
    beta, best = 1 + gamma, Fraction(0)
    step = (grid[-1] - grid[0]) / 2 or 1
    bids = [beta * (grid[0] + step * k) for k in range(-2, 5)]
    wins = max if mirror else min
    for k in product(range(2), repeat=2):
        for i in range(2):
            own, other = grid[k[i]], grid[k[1 - i]]
            expected = sum(kernel[(*k, *after)] * eta[i][after[1 - i]] for after in product(range(2), repeat=2))
            due = 2 * gamma / delta * (expected - other)
            worth = own + gamma * other - beta * other - delta * due

            def payoff(bid, i=i, other=other, worth=worth):
                both = [beta * other, beta * other]
                both[i] = bid
                return worth if both.index(wins(both)) == i else Fraction(0)

            best = max(best, max(payoff(bid) for bid in bids) - payoff(beta * own))
    return best


@pytest.mark.parametrize("scale", [Fraction(1, 10**9), 1, 10**9, 10**12])
@pytest.mark.parametrize(("gamma", "mirror"), [(2, False), (2, True), ("1/2", False), ("1/2", True), (1, False)])
def test_gains_are_those_of_plain_loops(gamma, mirror, scale):
    grid, kernel = coin(scale)
    auction = mo.winner_pay_auction(gamma, grid, kernel, "9/10", mirror=mirror)
    eta = [[Fraction(float(x)) for x in part] for part in auction.eta]
    wanted = plain_gain(Fraction(gamma), [Fraction(s) for s in grid], kernel, eta, Fraction(9, 10), mirror)
    exact, found = (mo.verify(auction, exact=exact)[OPEN] for exact in (True, False))
    assert exact.exact == wanted
    assert abs(Fraction(found.gain) - wanted) <= Fraction(found.rounding) + Fraction(float(scale)) / 10**12
    truthful = (Fraction(gamma) >= 1) != mirror or gamma == 1
    for check in (exact, found):
        assert check.status == ("satisfied" if truthful else "violated")
        assert check.holds == auction.equilibrium
        if not truthful:
            assert check.counterexample.replay(auction) == pytest.approx(check.gain)
            assert "bids" in str(check.counterexample)


@pytest.mark.parametrize("size", [1e-4, 1e-9])
def test_an_index_that_is_wrong_is_found(size):
    """A next signal that says almost nothing: the index is 1 / size, and an error in it is money."""
    grid, kernel = coin()
    plain = np.full((2, 2, 2, 2), Fraction(1, 4), dtype=object)
    faint = (1 - Fraction(size)) * plain + Fraction(size) * kernel
    auction = mo.winner_pay_auction(2, grid, faint)
    exact = mo.verify(auction, exact=True)[OPEN]
    found = mo.verify(auction)[OPEN]
    assert found.status in (exact.status, "undecided")
    assert abs(found.gain - exact.gain) <= found.rounding


def test_values_of_nothing_are_satisfied():
    auction = mo.winner_pay_auction(2, [0], np.ones((1, 1, 1, 1)))
    for exact in (False, True):
        assert mo.verify(auction, exact=exact)[OPEN].status == "satisfied"


def test_the_auction_of_a_model_is_exact():
    auction = auction_of(mo.load("liu-2025/winner-pay"))
    assert auction.exact.gamma == 2
    assert mo.verify(auction, exact=True).holds and mo.verify(auction).holds


def test_values_that_are_no_auction_are_refused_at_any_scale():
    """Values were compared with 1e-9 of 1 where all of them are smaller."""
    text = mo.load("liu-2025/winner-pay").to_toml()
    env = mo.loads(text)
    small = [[Fraction(x) / 10**10 for x in np.ravel(part[0])] for part in env.exact.values]
    shape = np.shape(env.exact.values[0][0])
    values = [np.array(row, dtype=object).reshape(shape) for row in small]
    values[0] = values[0] * 3  # the first bidder values all at three times what she should
    names = [[str(Fraction(name) / 10**10) for name in row[0]] for row in env.types]
    scaled = mo.InterdependentTypes(
        values, env.exact.kernel[0], env.exact.initial, horizon="infinite", discount=env.exact.discount, types=names
    )
    with pytest.raises(InputError, match="own signal"):
        auction_of(scaled)


def test_other_constraints_are_refused():
    grid, kernel = coin()
    with pytest.raises(InputError, match="is not checked of an auction"):
        mo.verify(mo.winner_pay_auction(2, grid, kernel), mo.Interim())
