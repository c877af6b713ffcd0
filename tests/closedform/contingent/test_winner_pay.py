"""The winner-pay auction: the winner's payoff, for which gamma it is an equilibrium, and that the signs matter."""

from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.contingent import bidders
from mechopt.closedform.contingent.bids import best_deviation
from mechopt.closedform.contingent.winner_pay import winner_pay_auction
from mechopt.core.numbers import to_exact

GRIDS = [
    pytest.param([0, 1], 2, id="two-bidders-two-signals"),
    pytest.param([0, 1, 4, 9], 2, id="two-bidders-unequal-steps"),
    pytest.param([-1, 0, "5/2"], 3, id="three-bidders-negative-signal"),
    pytest.param([1, 2, 5], 4, id="four-bidders"),
]


def indexed_kernel(grid, bidders, seed=0):
    """Next signals drawn alike and independently from w q1 + (1 - w) q0, with w rising linearly in the average signal.

    E[x | theta] is then linear in w for any function x of one next signal, so that an index exists.
    """
    grid, rng = np.array([float(to_exact(x)) for x in grid]), np.random.default_rng(seed)
    low, high = rng.dirichlet(np.ones(len(grid)), size=2)
    average = sum(np.ix_(*[grid] * bidders)) / bidders
    w = (average - grid[0]) / (grid[-1] - grid[0])
    own = w[..., None] * high + (1 - w[..., None]) * low
    distribution = own
    for _ in range(bidders - 1):
        distribution = distribution[..., None] * own.reshape(*average.shape, *[1] * (distribution.ndim - bidders), -1)
    return distribution


def numeric(grid):
    return [float(to_exact(x)) for x in grid]


@pytest.mark.parametrize(("grid", "bidders"), GRIDS)
@pytest.mark.parametrize("gamma", [0.5, 1, 2.5])
def test_the_truthful_winner_gets_gamma_less_one_times_the_distance_to_the_second_lowest(grid, bidders, gamma):
    auction = winner_pay_auction(gamma, grid, indexed_kernel(grid, bidders), "9/10")
    assert auction.residual < 1e-12 * 9
    points = numeric(grid)
    for profile in product(range(len(grid)), repeat=bidders):
        signals = [points[k] for k in profile]
        lowest = min(range(bidders), key=lambda i: (signals[i], i))
        second = min(s for i, s in enumerate(signals) if i != lowest)
        assert auction.winner[profile] == lowest
        expected = [(gamma - 1) * (second - signals[lowest]) if i == lowest else 0 for i in range(bidders)]
        assert auction.payoffs[(slice(None), *profile)] == pytest.approx(expected, abs=1e-10)
        worth = signals[lowest] + gamma * sum(signals[i] for i in range(bidders) if i != lowest)
        assert auction.revenue[profile] == pytest.approx(worth - expected[lowest], abs=1e-10)


@pytest.mark.parametrize(("grid", "bidders"), GRIDS)
@pytest.mark.parametrize(
    ("gamma", "mirror", "factor"),
    [
        # At gamma below 1 the winner with the lowest signal loses (1 - gamma)(theta^j - theta^i), at most
        # (1 - gamma)(max - min) where all others have the highest, and would rather bid high; the mirror likewise.
        pytest.param(0.5, False, 0.5, id="below-one"),
        pytest.param(1, False, 0, id="at-one"),
        pytest.param(3, False, 0, id="above-one"),
        pytest.param(0, True, 0, id="mirror-private-values"),
        pytest.param(0.5, True, 0, id="mirror-below-one"),
        pytest.param(1, True, 0, id="mirror-at-one"),
        pytest.param(3, True, 2, id="mirror-above-one"),
    ],
)
def test_equilibrium_and_efficiency_hold_on_one_side_of_one(grid, bidders, gamma, mirror, factor):
    auction = winner_pay_auction(gamma, grid, indexed_kernel(grid, bidders), 1, mirror=mirror)
    points = numeric(grid)
    assert auction.gain == pytest.approx(factor * (points[-1] - points[0]), abs=1e-10)
    low, high = auction.gamma_range
    assert auction.equilibrium == auction.efficient == (low <= gamma <= high) == (factor == 0)


def test_the_most_profitable_bid_is_named():
    # gamma 1/2: who wins at signals 0 against 9 loses 4.5, who would win at 9 against 0 gains 4.5; bids of the latter
    # below the truthful bid of 0 are tried first
    auction = winner_pay_auction(0.5, [0, 1, 4, 9], indexed_kernel([0, 1, 4, 9], 2))
    assert auction.payoffs[0][0, 3] == pytest.approx(-4.5)
    deviation = auction.deviation
    assert (deviation.bidder, deviation.signals, deviation.bid < 0) == (0, (3, 0), True)
    assert deviation.gain == pytest.approx(4.5)


def test_the_auction_that_is_chosen_is_the_efficient_one():
    kernel = indexed_kernel([0, 1], 2)
    assert [winner_pay_auction(g, [0, 1], kernel, mirror=None).mirror for g in (0.5, 1, 2)] == [True, False, False]


@pytest.mark.parametrize(
    ("price_sign", "transfer_sign"),
    [
        pytest.param(1, -1, id="transfer-received"),
        pytest.param(-1, 1, id="price-received"),
        pytest.param(-1, -1, id="both-received"),
    ],
)
def test_a_winner_who_receives_what_she_should_pay_deviates(price_sign, transfer_sign):
    grid = [1, 2, 5]
    auction = winner_pay_auction(2, grid, indexed_kernel(grid, 3), 0.5)
    worth = auction.values - price_sign * auction.price - transfer_sign * 0.5 * auction.transfer
    assert best_deviation(auction.signals, worth, 5, False).gain > 1
    right = auction.values - auction.price - 0.5 * auction.transfer
    assert best_deviation(auction.signals, right, 5, False).gain == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_gains_are_those_of_the_auction_played_out(seed):
    """The rules as written, bid by bid and next profile by next profile, on a law that has no index."""
    rng, gamma, delta, grids = np.random.default_rng(seed), 1.5, 0.8, [[0, 1, 3], [0, 2]]
    kernel = rng.dirichlet(np.ones(6), size=6).reshape(3, 2, 3, 2)
    auction = winner_pay_auction(gamma, grids, kernel, delta)
    assert auction.residual > 1e-3
    slope, worst = 1 + gamma, 0.0
    for theta in product(range(3), range(2)):
        signals = [grids[i][theta[i]] for i in range(2)]

        def payoff(i, bid, theta=theta, signals=signals):
            rival = slope * signals[1 - i]
            if bid > rival or (bid == rival and i == 1):
                return 0.0
            r = [
                kernel[theta][following] * 2 * gamma / delta * (auction.eta[i][following[1 - i]] - rival / slope)
                for following in product(range(3), range(2))
            ]
            return signals[i] + gamma * signals[1 - i] - rival - delta * sum(r)

        for i in range(2):
            truth = payoff(i, slope * signals[i])
            assert auction.payoffs[i][theta] == pytest.approx(truth, abs=1e-12)
            worst = max(worst, *(payoff(i, bid) - truth for bid in (-9, 0, 1, 2.5, 4, 5, 6, 7.5, 99)))
    assert auction.gain == pytest.approx(worst, abs=1e-12)


def test_numbers_may_be_written_as_fractions():
    uniform = [[[["1/4", "1/4"], ["1/4", 0.25]]] * 2] * 2
    written = winner_pay_auction("3/2", [0, "1/2"], uniform, "9/10")
    assert written.gain == winner_pay_auction(1.5, [0, 0.5], np.full((2, 2, 2, 2), 0.25), 0.9).gain


def test_one_signal_each_is_a_posted_price():
    # values 3 each, price 3, the transfer is 0 in expectation whatever gamma: nobody gains
    auction = winner_pay_auction(2, [1], np.ones((1, 1, 1, 1)))
    assert (auction.gain, auction.residual, auction.payoffs.tolist()) == (0, 0, [[[0]], [[0]]])


def test_independent_chains_have_no_index():
    # each own chain says nothing of the others' signals: E eta^{-i} is free of theta^i, the average is not
    stay = np.array([[0.75, 0.25], [0.25, 0.75]])
    auction = winner_pay_auction(2, [0, 1], np.einsum("ab,cd->acbd", stay, stay))
    assert auction.residual == pytest.approx(0.25)
    assert not auction.equilibrium


def test_the_index_is_one_function_for_all_profiles():
    # with two profiles of the rival the index would exist for each alone: E eta = x + c(theta^-i); it must for both
    auction = winner_pay_auction(2, [0, 1], indexed_kernel([0, 1], 2))
    for i, eta in enumerate(auction.eta):
        distribution = indexed_kernel([0, 1], 2).sum(axis=2 + i)
        assert distribution @ eta == pytest.approx(np.array([[0, 0.5], [0.5, 1]]), abs=1e-12)


def test_a_winner_may_lose_by_the_transfer_that_comes_out():
    # next signals are 1 with the average's probability, eta the other's next signal, gamma = 2, (theta) = (0, 1): value
    # 2, price 3, r = 4 (eta - 1) is -4 or 0, so that the payoff is 3 or -1; at (0, 0) it is 0 - 0 - 4 eta with eta = 0
    average = np.array([[0, 0.5], [0.5, 1]])
    coin = np.stack([1 - average, average], axis=-1)
    auction = winner_pay_auction(2, [0, 1], coin[:, :, :, None] * coin[:, :, None, :])
    assert auction.eta[0] == pytest.approx([0, 1])
    assert auction.worst_payoff == pytest.approx(-1)
    assert auction.payoffs.min() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"gamma": -1}, "gamma: is -1; it must be at least 0", id="gamma-negative"),
        pytest.param({"gamma": "much"}, "gamma: 'much' is not a number", id="gamma-no-number"),
        pytest.param({"discount": 0}, "discount: is 0; it must be above 0", id="discount-zero"),
        pytest.param({"signals": [1, 0]}, r"signals: \[1.0, 0.0\] does not increase", id="signals-fall"),
        pytest.param({"signals": [[0, 1]]}, "signals: has 1 lists for 2 bidders", id="signals-of-one-bidder"),
        pytest.param({"bidders": 1}, "bidders: is 1; write a whole number, at least 2", id="one-bidder"),
        pytest.param({"kernel": np.ones((2, 2, 2, 2)) / 5}, r"kernel\[0\]\[0\]: sums to 0.8", id="kernel-sums"),
        pytest.param({"kernel": -np.ones((2, 2, 2, 2))}, "has negative entries", id="kernel-negative"),
        pytest.param(
            {"kernel": np.ones((3, 2, 2, 2)) / 4}, "is for .3, 2. signals, there are .2, 2.", id="kernel-shape"
        ),
        pytest.param({"kernel": np.ones((2, 2, 2)) / 2, "bidders": 2}, "has 3 axes; it must have 4", id="kernel-axes"),
        pytest.param({"kernel": [[[["1/2", "x"], [0, 0]]] * 2] * 2}, r"kernel.0..0..0..1.: 'x'", id="kernel-text"),
        pytest.param({"kernel": np.full((2, 2, 2, 2), np.nan)}, "nan is not a finite number", id="kernel-nan"),
        pytest.param({"kernel": [[0.5, 0.5], [1]], "bidders": 2}, "rows of unequal length", id="kernel-ragged"),
    ],
)
def test_bad_input_is_refused_with_its_place(arguments, message):
    given = {"gamma": 2, "signals": [0, 1], "kernel": np.full((2, 2, 2, 2), 0.25)} | arguments
    with pytest.raises(mo.InputError, match=message):
        winner_pay_auction(**given)


def test_an_index_so_large_that_floats_lose_a_gain_is_undecided():
    average = np.array([[0.0, 0.5], [0.5, 1.0]])
    chance = 0.5 + (average - 0.5) * 2.0**-40  # nearly nothing is learnt, so that eta is of size 2^40
    coin = np.stack([1 - chance, chance], axis=-1)
    faint = winner_pay_auction(2, [0, 1], coin[:, :, :, None] * coin[:, :, None, :])
    assert (faint.status, faint.equilibrium) == ("undecided", False)
    plain = np.stack([1 - average, average], axis=-1)
    for gamma, status in ((2, "satisfied"), ("1/2", "violated")):
        auction = winner_pay_auction(gamma, [0, 1], plain[:, :, :, None] * plain[:, :, None, :])
        assert (auction.status, auction.equilibrium) == (status, status == "satisfied")
        assert auction.rounding < 1e-11


@pytest.mark.parametrize("periods", [1, 2])
def test_models_that_end_are_no_auctions(periods):
    env = mo.InterdependentTypes(
        [np.zeros((2, 2, 2))] * 2, np.full((2, 2, 2, 2), 0.25), np.full((2, 2), 0.25), horizon=periods
    )
    with pytest.raises(mo.InputError, match=f"horizon: is {periods}; the auction is repeated for ever"):
        bidders.bidders(env)
