r"""The winner-pay auction with a contingent transfer, for values that depend on everybody's signals, and its mirror.

Each period one item goes to one of N bidders. With signals :math:`\theta` and their sum S it is worth

.. math:: v^i = \theta^i + \gamma \sum_{j \ne i} \theta^j = (1 - \gamma) \theta^i + \gamma S

to bidder i. The next signals follow a joint distribution given the present ones, whatever the allocation. Bidders bid
:math:`b^i`; the **lowest** bid wins. The winner i pays the lowest other bid :math:`b^j` now, and in the next period

.. math:: r^i = \frac{N \gamma}{\delta} \Bigl[ \eta^{-i}\bigl(b_{t+1}^{-i} / \beta\bigr) - b^j / \beta \Bigr],
          \qquad \beta = 1 + \gamma (N - 1), \qquad
          \mathrm{E}[\eta^{-i}(\theta_{t+1}^{-i}) \mid \theta] = S / N \text{ for every } \theta.

With bids :math:`\beta \theta` the winner's expected payoff is :math:`(\gamma - 1)(\theta^j - \theta^i)`. So these bids
are an ex post equilibrium, in expectation over the next signals, exactly where :math:`\gamma \ge 1`, and there the item
goes where it is worth most: the higher one's signal, the lower one's value relative to the others'. The mirror (highest
bid wins, the highest other bid is the price, the same r) is the equilibrium for :math:`\gamma \le 1`. A bidder's own
bid enters neither what she pays nor the distribution of the signals, so that periods separate and one period's
deviations are all deviations. The transfer r that is realised may be large: participation holds in expectation only.

The index :math:`\eta^{-i}` is the least squares solution of its equation over all profiles at once, one function of the
others' next signals for all profiles; where the residual is not 0 the auction is that of the index found, and the gain
says how far truthful bids are from an equilibrium.

Source: Liu (2025), "Indirect implementation with auctions". Its "b_t^i = min{b_t^k : k != i}" is read as b_t^j; its
remark that the equation for eta is stronger than the spanning condition is not so: it may hold where spanning fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mechopt.closedform.contingent.bids import BidDeviation, allocation, best_deviation
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import VERIFY_TOLERANCE, Array, FloatArray, IntArray, readonly
from mechopt.core.rounding import Precision, Status, Verdict
from mechopt.environment.reading.check import exact_list, exact_scalar
from mechopt.environment.reading.nested import depth
from mechopt.environment.reading.tables import increasing, number_table, require_distribution

OTHER_ROUNDINGS = 24
"""In a gain, beside those of the expected index: of values, prices, products and inputs."""


class AuctionNumbers(NamedTuple):
    """What an auction was made of, exactly as it was given.

    Attributes
    ----------
    gamma, discount : Fraction
    signals : tuple over bidders of tuples of Fraction
    kernel : array ``(*signals, *next signals)``
        As it was given: floats, fractions or text.
    """

    gamma: Fraction
    discount: Fraction
    signals: tuple[tuple[Fraction, ...], ...]
    kernel: Array


@dataclass(frozen=True, eq=False, repr=False)
class WinnerPayAuction:
    """An auction at truthful bids, and what a bidder can gain by another one; money of the period of the bid.

    All its tables follow from what it was made of and from the index, and are those of the formulas by construction.

    Attributes
    ----------
    exact : AuctionNumbers
        What it was made of; `mechopt.verify` checks it with ``exact=True`` in these numbers.
    mirror : bool
        Whether the highest bid wins.
    eta : tuple over bidders of float arrays ``(*next signals of the others)``

    Raises
    ------
    InputError
        If an index has another shape, or a number that is not finite.
    """

    exact: AuctionNumbers
    mirror: bool
    eta: tuple[FloatArray, ...]

    def __post_init__(self) -> None:
        count, faults = len(self.exact.signals), list[Fault]()
        object.__setattr__(self, "eta", tuple(map(readonly, self.eta)))
        following = self.exact.kernel.shape[count:]
        if len(self.eta) != count:
            faults.append(Fault("eta", f"has {len(self.eta)} tables", f"give one for each of the {count} bidders"))
        for i, index in enumerate(self.eta[:count]):
            shape = (*following[:i], *following[i + 1 :])
            if index.shape != shape:
                faults.append(Fault(f"eta[{i}]", f"has shape {index.shape}", f"the others' next signals have {shape}"))
            elif not np.isfinite(index).all():
                faults.append(Fault(f"eta[{i}]", "has an entry that is not finite", "give finite numbers"))
        if faults:
            raise InputError(faults)

    @property
    def gamma(self) -> float:
        """Weight of the others' signals in a value."""
        return float(self.exact.gamma)

    @property
    def discount(self) -> float:
        """Factor of the next period."""
        return float(self.exact.discount)

    @cached_property
    def signals(self) -> tuple[FloatArray, ...]:
        """Signals of each bidder, ascending."""
        return tuple(readonly([float(x) for x in own]) for own in self.exact.signals)

    @cached_property
    def _profile(self) -> FloatArray:
        """Signals, ``(bidder, *signals)``."""
        return np.stack(np.meshgrid(*self.signals, indexing="ij"))

    @cached_property
    def _following(self) -> tuple[FloatArray, ...]:
        """By bidder: distribution of the others' next signals, ``(profile, profile of the others')``."""
        count = len(self.signals)
        distribution = _distribution(self.exact.kernel)
        return tuple(distribution.sum(axis=count + i).reshape(self._profile[0].size, -1) for i in range(count))

    @cached_property
    def values(self) -> FloatArray:
        """What the item is worth to each, ``(bidder, *signals)``."""
        return readonly((1 - self.gamma) * self._profile + self.gamma * self._profile.sum(axis=0))

    @cached_property
    def winner(self) -> IntArray:
        """Who wins, ``(*signals)``."""
        return readonly(allocation(self._profile, self.mirror), np.int64)

    @cached_property
    def _to_beat(self) -> FloatArray:
        """The best of the others' signals, ``(bidder, *signals)``."""
        others = (np.delete(self._profile, i, axis=0) for i in range(len(self.signals)))
        return np.stack([part.max(axis=0) if self.mirror else part.min(axis=0) for part in others])

    @cached_property
    def _expected(self) -> FloatArray:
        """Expectation of eta, ``(bidder, *signals)``."""
        pairs = zip(self._following, self.eta, strict=True)
        return np.stack([(chances @ index.ravel()).reshape(self._profile.shape[1:]) for chances, index in pairs])

    @cached_property
    def residuals(self) -> FloatArray:
        """Expectation of eta less the average signal, ``(bidder, *signals)``."""
        return readonly(self._expected - self._profile.sum(axis=0) / len(self.signals))

    @cached_property
    def price(self) -> FloatArray:
        """What each would pay at once if she won, the others truthful, ``(bidder, *signals)``."""
        return readonly((1 + self.gamma * (len(self.signals) - 1)) * self._to_beat)

    @cached_property
    def transfer(self) -> FloatArray:
        """What each would then pay in the next period, expected; money of the next period, ``(bidder, *signals)``."""
        return readonly(len(self.signals) * self.gamma / self.discount * (self._expected - self._to_beat))

    @cached_property
    def _worth(self) -> FloatArray:
        return self.values - self.price - self.discount * self.transfer

    @cached_property
    def _wins(self) -> FloatArray:
        count = len(self.signals)
        return np.asarray(np.arange(count).reshape(-1, *[1] * count) == self.winner)

    @cached_property
    def payoffs(self) -> FloatArray:
        """Expected payoffs at truthful bids, of value less price less the discounted transfer."""
        return readonly(np.where(self._wins, self._worth, 0.0))

    @cached_property
    def revenue(self) -> FloatArray:
        """Expected price plus discounted transfer, ``(*signals)``."""
        return readonly(np.where(self._wins, self.values - self._worth, 0.0).sum(axis=0))

    @cached_property
    def worst_payoff(self) -> float:
        """The lowest realised payoff of a truthful winner, over profiles and next signals of positive probability."""
        pairs = zip(self._following, self.eta, strict=True)
        highest = [np.where(chances > 0, index.ravel(), -np.inf).max(axis=1) for chances, index in pairs]
        most = np.stack(highest).reshape(self._profile.shape)
        realised = self.values - self.price - len(self.signals) * self.gamma * (most - self._to_beat)
        return float(realised[self._wins].min())

    @cached_property
    def deviation(self) -> BidDeviation:
        """The most profitable bid over all profiles, bidders and bids; its gain is 0 where there is none."""
        slope = 1 + self.gamma * (len(self.signals) - 1)
        return best_deviation(self.signals, self._worth, slope, self.mirror)

    @property
    def gain(self) -> float:
        """Most that a bidder can gain by a bid of another kind, others truthful."""
        return self.deviation.gain

    @property
    def residual(self) -> float:
        """Largest error of eta in size; 0 up to rounding where the index exists."""
        return float(np.abs(self.residuals).max())

    @cached_property
    def rounding(self) -> float:
        """Bound of the rounding of a gain: of values, prices and expected transfers, the index being what it is."""
        count, beta = len(self.signals), 1 + self.gamma * (len(self.signals) - 1)
        index = max(float(np.abs(part).max()) for part in self.eta)
        signal = max(float(np.abs(part).max()) for part in self.signals)
        size = 2 * (beta + 1) * (count + 1) * signal + count * self.gamma * (index + signal)
        terms = max(part.size for part in self.eta) + count + OTHER_ROUNDINGS
        return float(Precision.of(terms, signal + index).bound(np.array(size)))

    @cached_property
    def status(self) -> Status:
        """Whether truthful bids are an ex post equilibrium, up to `VERIFY_TOLERANCE` times the largest value.

        Violated where the best other bid surely gains more, undecided where rounding does not let it be told: where the
        index is very large.
        """
        verdict = Verdict(VERIFY_TOLERANCE * float(np.abs(self.values).max()))
        verdict.add(np.array(self.gain), np.array(self.rounding))
        return verdict.answer.status

    @property
    def equilibrium(self) -> bool:
        """Whether truthful bids are surely an ex post equilibrium; see `status`."""
        return self.status is Status.SATISFIED

    @cached_property
    def efficient(self) -> bool:
        """Whether the item always goes where it is worth most, at truthful bids."""
        won = np.take_along_axis(self.values, self.winner[None], axis=0)[0]
        return bool((self.values.max(axis=0) - won).max() <= VERIFY_TOLERANCE * float(np.abs(self.values).max()))

    @property
    def gamma_range(self) -> tuple[float, float]:
        """For which gamma truthful bids are an equilibrium and efficient: ``(1, inf)``, the mirror's ``(0, 1)``.

        Both ends included. Where the index does not exist (`residual`), the equilibrium is not assured.
        """
        return (0.0, 1.0) if self.mirror else (1.0, float("inf"))

    def __repr__(self) -> str:
        which = "mirror winner-pay auction" if self.mirror else "winner-pay auction"
        return (
            f"WinnerPayAuction({which}, {len(self.signals)} bidders, gamma {self.gamma:g}; gain {self.gain:.3g}, "
            f"{'' if self.efficient else 'not '}efficient, residual {self.residual:.3g})"
        )


def winner_pay_auction(
    gamma: Any,
    signals: Any,
    kernel: Any,
    discount: Any = 1,
    bidders: int | None = None,
    mirror: bool | None = False,
) -> WinnerPayAuction:
    """Set up the auction and search all profiles, bidders and bids for a profitable deviation.

    Parameters
    ----------
    gamma : number
        Weight of the others' signals in a value, at least 0.
    signals : sequence of numbers, or one a bidder
        Increasing. One list is everybody's.
    kernel : array ``(*signals, *next signals)``
        Joint distribution of the next signals given the profile; sums to 1 over the next signals, whose number may
        differ from that of the present ones: the index is a function of their positions.
    discount : number
        In (0, 1].
    bidders : int, optional
        At least 2; default: as many as half the axes of the kernel.
    mirror : bool or None
        Whether the highest bid wins; None for the one that is efficient, the mirror where gamma is below 1.

    Returns
    -------
    WinnerPayAuction
        Ties go to the bidder with the lowest number, at truthful bids and in deviations. A deviation may be any
        bidder's truthful bid, a bid between two of these, one below and one above all: what a bid does depends on
        its place among the others' alone, so that no bid is left out.

    Raises
    ------
    InputError
        With every fault: shapes, probabilities, discount, gamma.

    Examples
    --------
    Each next signal is 1 with the probability of the present ones' average, so that it is an index by itself:

    >>> average = np.array([[0, 1 / 2], [1 / 2, 1]])
    >>> coin = np.stack([1 - average, average], axis=-1)
    >>> auction = winner_pay_auction(2, [0, 1], coin[:, :, :, None] * coin[:, :, None, :], discount="9/10")
    >>> auction.equilibrium, auction.efficient, auction.gamma_range
    (True, True, (1.0, inf))
    >>> round(float(auction.payoffs[0, 0, 1]), 9)
    1.0
    """
    given, grids, distribution = _read(gamma, signals, kernel, discount, bidders)
    average = np.stack(np.meshgrid(*grids, indexing="ij")).mean(axis=0)
    eta = tuple(_index(distribution.sum(axis=len(grids) + i), average) for i in range(len(grids)))
    return WinnerPayAuction(given, given.gamma < 1 if mirror is None else mirror, eta)


def _index(others: FloatArray, average: FloatArray) -> FloatArray:
    """Index eta of a bidder, given the distribution of the others' next signals."""
    eta = np.linalg.lstsq(others.reshape(average.size, -1), average.ravel(), rcond=None)[0]
    return np.asarray(eta.reshape(others.shape[average.ndim :]))


def _distribution(kernel: Array) -> FloatArray:
    """A kernel in floats."""
    found = number_table(kernel, kernel.ndim, "kernel", [])
    assert found is not None
    return found


def _read(
    gamma: Any, signals: Any, kernel: Any, discount: Any, bidders: int | None
) -> tuple[AuctionNumbers, list[FloatArray], FloatArray]:
    """The numbers as given, signals by bidder and the distribution of the next signals; raises with every fault."""
    faults: list[Fault] = []
    weight, delta = exact_scalar(gamma, "gamma", faults), exact_scalar(discount, "discount", faults)
    if weight is not None and weight < 0:
        faults.append(Fault("gamma", f"is {float(weight):g}", "it must be at least 0"))
    if delta is not None and not 0 < delta <= 1:
        faults.append(Fault("discount", f"is {float(delta):g}", "it must be above 0 and at most 1"))
    count = bidders if bidders is not None else depth(kernel) // 2
    if not isinstance(count, int) or count < 2:
        faults.append(Fault("bidders", f"is {count!r}", "write a whole number, at least 2"))
        raise InputError(faults)
    each = signals if depth(signals) == 2 else [signals] * count
    if len(each) != count:
        faults.append(
            Fault("signals", f"has {len(each)} lists for {count} bidders", "give one a bidder, or one for all")
        )
    places = [f"signals[{i}]" for i in range(len(each))] if each is signals else ["signals"] * count
    read = {where: increasing(list_, where, faults) for where, list_ in zip(places, each, strict=True)}
    distribution = number_table(kernel, 2 * count, "kernel", faults)
    grids = [grid for where in places if (grid := read[where]) is not None]
    if distribution is not None and len(grids) == count:
        shape = tuple(len(grid) for grid in grids)
        if distribution.shape[:count] != shape:
            what = f"is for {distribution.shape[:count]} signals, there are {shape}"
            faults.append(Fault("kernel", what, "axes: the signals of each bidder, then the next signals of each"))
        require_distribution(distribution, count, "kernel", faults)
    if faults or weight is None or delta is None or distribution is None:
        raise InputError(faults)
    exact = tuple(tuple(exact_list(own, "signals", faults) or ()) for own in each)
    return AuctionNumbers(weight, delta, exact, np.asarray(kernel)), grids, distribution
