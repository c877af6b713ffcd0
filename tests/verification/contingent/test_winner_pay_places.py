"""Winner-pay auctions of any number of bidders and signals, place by place, by loops in fractions."""

import dataclasses
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.verification import exact as limits
from mechopt.verification.contingent.winner_pay import _worth_in_floats, verify_winner_pay

OPEN = mo.PeriodicExPostIC()
GRIDS = [[-2, 3], [Fraction(1, 3)], [-7, 0, Fraction(5, 2)]]
FOLLOWING = (2, 3, 2)


def random_kernel(seed, grids=GRIDS, following=FOLLOWING, zeros=True):
    rng, shape = np.random.default_rng(seed), tuple(len(own) for own in grids)
    kernel = np.empty((*shape, *following), dtype=object)
    for place in product(*map(range, shape)):
        weights = rng.integers(0 if zeros else 1, 4, following)
        weights.flat[0] += 1
        kernel[place] = np.array([Fraction(int(w), int(weights.sum())) for w in weights.flat]).reshape(following)
    return kernel


def places(auction, gamma, grids, kernel, mirror):
    """By bidder and profile: the best bid's gain over the truthful one, and the sum of all terms in absolute value."""
    n, beta, best = len(grids), 1 + gamma * (len(grids) - 1), max if mirror else min
    eta = [{at: Fraction(float(x)) for at, x in np.ndenumerate(part)} for part in auction.eta]
    low, high = min(map(min, grids)), max(map(max, grids))
    found = {}
    for at in product(*(range(len(own)) for own in grids)):
        signals = [Fraction(own[k]) for own, k in zip(grids, at, strict=True)]
        for i in range(n):
            rest = [x for j, x in enumerate(signals) if j != i]
            expected = size = Fraction(0)
            for after in product(*map(range, kernel.shape[n:])):
                index = eta[i][after[:i] + after[i + 1 :]]
                expected += kernel[at + after] * index
                size += kernel[at + after] * abs(index)
            value, paid = signals[i] + gamma * sum(rest), beta * best(rest)
            worth = value - paid - n * gamma * (expected - best(rest))
            most = max(map(abs, rest))
            terms = abs(signals[i]) + gamma * sum(map(abs, rest)) + beta * most + n * gamma * (size + most)

            def payoff(bid, i=i, signals=signals, worth=worth):
                bids = [beta * x for x in signals]
                bids[i] = bid
                return worth if bids.index(best(bids)) == i else 0

            truth = payoff(beta * signals[i])
            gain = max(payoff(bid) for bid in (beta * (low - 1), beta * (high + 1))) - truth
            found[(i, *at)] = gain, terms
    return found


def small(seed):
    """What is checked is the given auction, whatever its index: one of small whole numbers."""
    mirror, gamma = bool(seed % 2), [Fraction(3, 2), Fraction(1, 3)][seed // 2 % 2]
    kernel = random_kernel(seed)
    auction = mo.winner_pay_auction(gamma, GRIDS, kernel, "3/4", mirror=mirror)
    if seed % 3 == 0:
        rng = np.random.default_rng(seed)
        auction = dataclasses.replace(auction, eta=tuple(rng.integers(-9, 9, part.shape) for part in auction.eta))
    return auction, places(auction, gamma, GRIDS, kernel, mirror)


@pytest.mark.parametrize("seed", range(6))
def test_gains_of_three_bidders_are_those_of_loops(seed):
    auction, gains = small(seed)
    largest = max(gain for gain, _ in gains.values())
    exact, found = (verify_winner_pay(auction, exact=exact)[OPEN] for exact in (True, False))
    assert exact.exact == largest > 0
    assert (exact.status, found.status) == ("violated", "violated")
    assert found.exact is None
    assert verify_winner_pay(auction)[OPEN].exact is None
    for check in (exact, found):
        place = (check.counterexample.agent, *check.counterexample.signals)
        gain, size = gains[place]
        assert gain == largest
        assert check.counterexample.replay(auction) == pytest.approx(float(gain), rel=1e-12)
        assert check.counterexample.gain == pytest.approx(float(gain), rel=1e-12)
        assert check.counterexample.period == 0
        i = check.counterexample.agent
        assert check.counterexample.true_type == place[1 + i]
        assert check.counterexample.others == tuple(k for j, k in enumerate(place[1:]) if j != i)
    # roundings of a term: one of each of the others' next profiles, four a bidder, sixteen more
    depth = auction.eta[i].size + 4 * 3 + 16
    assert found.rounding * 2.0**52 == pytest.approx(depth * float(size), rel=1e-9)


def test_the_tolerance_is_that_of_the_values():
    """The largest |x_i + gamma sum of the others'| of all bidders and signals, at both ends of them."""
    for grids in (GRIDS, [[-x for x in reversed(own)] for own in GRIDS], [[Fraction(5)], [Fraction(-2), Fraction(1)]]):
        gamma, n = Fraction(3, 2), len(grids)
        kernel = random_kernel(1, grids, FOLLOWING[:n])
        auction = mo.winner_pay_auction(gamma, grids, kernel)
        values = [at[i] + gamma * (sum(at) - at[i]) for at in product(*grids) for i in range(n)]
        for exact in (False, True):
            check = mo.verify(auction, exact=exact)[OPEN]
            assert check.tolerance == pytest.approx(1e-8 * float(max(map(abs, values))), rel=1e-12)


@pytest.mark.parametrize(("grid", "unlikely", "largest"), [([0, 5], 0, 5), ([0], 7, 7), ([0], 0, None)])
def test_what_vanishes_has_its_share(grid, unlikely, largest):
    """Of terms that are 0, m times the smallest normal number, times one more than the largest signal or entry of the
    index; where these are all 0 there is nothing to vanish."""
    kernel = np.zeros((len(grid), len(grid), 2, 2))
    kernel[..., 0, 0] = 1
    auction = mo.winner_pay_auction(2, grid, kernel)
    auction = dataclasses.replace(auction, eta=(np.array([0.0, unlikely]),) * 2)
    rounding = _worth_in_floats(auction, 0)[1][0, 0]
    assert rounding == (0 if largest is None else (2 + 4 * 2 + 16) * 2.0**-1022 * (1 + largest))


@pytest.mark.parametrize("mirror", [False, True])
def test_a_bid_beyond_all_others_where_these_are_nothing(mirror):
    auction = mo.winner_pay_auction(2, [[0], [0]], np.ones((1, 1, 1, 1)), mirror=mirror)
    auction = dataclasses.replace(auction, eta=(np.array([0.25]), np.array([0.0])))  # who wins owes 2 * 2 * 1/4
    for exact in (False, True):
        check = verify_winner_pay(auction, exact=exact)[OPEN]
        assert check.gain == 1
        assert check.counterexample.bid == (-1 if mirror else 1)
        assert check.counterexample.to_dict() == {
            "agent": 0,
            "period": 0,
            "history": [],
            "true_type": 0,
            "report": None,
            "gain": 1.0,
            "others": [0],
            "bid": check.counterexample.bid,
        }


@pytest.mark.parametrize(("mirror", "bid"), [(False, -9), (True, 12)])
def test_a_bid_is_as_far_beyond_as_these_are_large(mirror, bid):
    """Two bidders of signals 2 and -1, gamma 2: truthful bids are 6 and -3. Who loses would rather win."""
    auction = mo.winner_pay_auction(2, [[2], [-1]], np.ones((1, 1, 1, 1)), mirror=mirror)
    gift = dataclasses.replace(auction, eta=(np.array([-9.0]), np.array([-9.0])))
    for exact in (False, True):
        found = verify_winner_pay(gift, exact=exact)[OPEN].counterexample
        assert (found.agent, found.bid) == (int(mirror), bid)


def test_bids_are_compared_as_they_were_given():
    """Two signals that are one float: the lower one wins, whichever the bidder's number."""
    near = 1 + Fraction(1, 2**80)
    for first, second in ((near, 1), (1, near)):
        auction = mo.winner_pay_auction(2, [[first], [second]], np.ones((1, 1, 1, 1)))
        auction = dataclasses.replace(auction, eta=(np.array([9.0]), np.array([-9.0])))
        found, exact = (verify_winner_pay(auction, exact=exact)[OPEN] for exact in (False, True))
        # winning costs the first one 32, and brings the second one 40
        winner = int(second < first)
        assert (found.gain, exact.gain) == ((0, 0) if winner == 1 else (40, pytest.approx(40)))
        assert found.status == exact.status == ("satisfied" if winner == 1 else "violated")


def test_floats_are_the_numbers_that_they_are():
    """A kernel of floats is not one of the decimal fractions that these are near."""
    row = np.array([0.1, 0.2, 0.3, 0.4]).reshape(2, 2)
    kernel = np.broadcast_to(row, (2, 2, 2, 2))
    auction = mo.winner_pay_auction(2, [0, 1], kernel)
    dyadic = np.vectorize(Fraction, otypes=[object])(kernel)
    gains = places(auction, Fraction(2), [[0, 1]] * 2, dyadic, False)
    assert verify_winner_pay(auction, exact=True)[OPEN].exact == max(gain for gain, _ in gains.values())


def test_the_limit_of_fractions_is_that_of_the_products(monkeypatch):
    auction = mo.winner_pay_auction("1/2", GRIDS, random_kernel(2))
    monkeypatch.setattr(limits, "MAX_TERMS", 6 * 3 * 12)  # profiles, bidders, next profiles
    assert not verify_winner_pay(auction, exact=True).holds
    monkeypatch.setattr(limits, "MAX_TERMS", 6 * 3 * 12 - 1)
    with pytest.raises(mo.errors.LimitError, match="a winner-pay auction in fractions takes 216 products"):
        verify_winner_pay(auction, exact=True)


def test_only_what_an_auction_is_made_of_is_stored():
    """Its tables were fields: of 1e9 times the values, any gain was within the tolerance; of another winner, floats
    checked that one, and fractions the one of the definition."""
    auction = mo.winner_pay_auction("1/2", [0, 1], np.full((2, 2, 2, 2), Fraction(1, 4), dtype=object))
    assert [part.name for part in dataclasses.fields(auction)] == ["exact", "mirror", "eta"]
    other = dataclasses.replace(auction, eta=(auction.eta[0] + 1, auction.eta[1]))
    wins = other.winner == 0
    np.testing.assert_allclose(other.transfer[0], auction.transfer[0] + 1)  # N gamma is 1
    np.testing.assert_allclose(other.payoffs[0][wins], auction.payoffs[0][wins] - 1)
    np.testing.assert_allclose(other.residuals, auction.residuals + np.array([1, 0])[:, None, None])
    np.testing.assert_allclose(other.revenue[wins], auction.revenue[wins] + 1)
    for change, words in (
        ({"eta": (auction.eta[0], np.array([1.0, np.nan]))}, r"eta\[1\]: has an entry that is not finite"),
        ({"eta": (np.ones(3), auction.eta[1])}, r"eta\[0\]: has shape \(3,\)"),
        ({"eta": auction.eta[:1]}, "eta: has 1 tables"),
    ):
        with pytest.raises(mo.InputError, match=words):
            dataclasses.replace(auction, **change)
