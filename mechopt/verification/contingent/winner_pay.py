"""The winner-pay auction checked as `mechopt.verify` checks all mechanisms: is any other bid worth more?

A bid decides whether its bidder wins, and nothing else: what a winner pays is of the others' bids. And any bidder can
win or lose at will, by a bid below or above all others. So with W the expected payoff of winning at a profile of
signals, the others truthful, the gain of the best bid is -W for who wins and W for who does not. W is computed here
anew from the auction's index and the distribution of the next signals: in floats with a bound of its rounding (see
`mechopt.verification.rounding`), or by plain loops in fractions, the index being the floats that it is.

Source: Liu (2025), "Indirect implementation with auctions"; see `mechopt.closedform.contingent.winner_pay`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import to_exact
from mechopt.mechanism.constraints import Constraint, PeriodicExPostIC
from mechopt.verification.exact import require_few
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import ExactVerdict, Precision, Status, Verdict, tolerance_of

OTHER_ROUNDINGS = 16
"""In a payoff, beside those of its sums over bidders and next signals: of products, differences and inputs."""
Signals = tuple[int, ...]


@dataclass(frozen=True)
class BidCounterexample(Counterexample):
    """A bid that is worth more than the truthful one, the others truthful.

    Attributes
    ----------
    bid : float
        Below or above all truthful bids.
    """

    bid: float = 0.0

    @property
    def signals(self) -> Signals:
        """Everybody's, by index."""
        signals = list(self.others or ())
        signals.insert(self.agent, self.true_type or 0)
        return tuple(signals)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return super().to_dict() | {"bid": self.bid}

    def __str__(self) -> str:
        return (
            f"agent {self.agent}: signal {self.true_type} while the others' are {list(self.others or ())} "
            f"bids {self.bid:.6g} and gains {self.gain:.6g}"
        )

    def replay(self, mechanism: Any) -> float:
        """Hold the auction with the bid and with the truthful one; equals ``gain`` up to rounding.

        Parameters
        ----------
        mechanism : WinnerPayAuction
        """
        auction = _Auction(mechanism)
        true = auction.bids(self.signals)
        other = [Fraction(self.bid) if i == self.agent else bid for i, bid in enumerate(true)]
        worth = auction.worth(self.agent, self.signals)
        gain = worth * ((auction.winner(other) == self.agent) - (auction.winner(true) == self.agent))
        return float(gain)


def verify_winner_pay(
    auction: Any, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> Report:
    """Check whether truthful bids are an ex post equilibrium.

    Parameters
    ----------
    auction : WinnerPayAuction
    constraints : Constraint or several, optional
        Periodic ex post IC, which is what truthful bids promise; that a winner never loses is not.
    exact : bool
        Decide in fractions.

    Returns
    -------
    Report
        The tolerance is that of one period, in which the auction's payoffs are.

    Raises
    ------
    InputError
        If another constraint is asked for.
    LimitError
        If there are too many profiles for fractions.
    """
    asked = [constraints] if isinstance(constraints, Constraint) else list(constraints or (PeriodicExPostIC(),))
    for constraint in asked:
        if constraint != PeriodicExPostIC():
            raise InputError(f"constraint {constraint.name!r} is not checked of an auction; periodic-ex-post is")
    check = _in_fractions(auction) if exact else _in_floats(auction)
    return Report(dict.fromkeys(asked, check))


def _in_floats(auction: Any) -> ConstraintCheck:
    grids, gamma, count = auction.signals, auction.gamma, len(auction.signals)
    chances = np.vectorize(lambda p: float(_plain(p)), otypes=[np.float64])(auction.exact.kernel)
    signals = np.stack(np.meshgrid(*grids, indexing="ij"))
    sizes = np.abs(signals)
    best, beta = np.max if auction.mirror else np.min, 1 + gamma * (count - 1)
    verdict, terms = Verdict(tolerance_of(float(np.abs(auction.values).max()))), max(map(np.size, auction.eta))
    largest = max(float(np.abs(part).max()) for part in (*grids, *auction.eta))
    precision = Precision.of(terms + 4 * count + OTHER_ROUNDINGS, largest)
    with np.errstate(invalid="ignore", over="ignore"):
        for i in range(count):
            others = np.delete(signals, i, axis=0)
            to_beat, most = best(others, axis=0), np.delete(sizes, i, axis=0).max(axis=0)
            table = chances.sum(axis=count + i).reshape(*chances.shape[:count], -1)
            index, reach = table @ auction.eta[i].ravel(), table @ np.abs(auction.eta[i]).ravel()
            worth = signals[i] + gamma * others.sum(axis=0) - beta * to_beat - count * gamma * (index - to_beat)
            size = sizes[i] + gamma * np.abs(others).sum(axis=0) + beta * most + count * gamma * (reach + most)
            gain = np.where(auction.winner == i, -worth, worth)
            verdict.add(gain, precision.bound(size))
    answer, found = verdict.answer, None
    if answer.place is not None:
        i, at = answer.place
        signals_at = tuple(int(k) for k in np.unravel_index(at, auction.winner.shape))
        found = _counterexample(auction, i, signals_at, answer.gain)
    return ConstraintCheck.of(answer, verdict.tolerance, found)


def _in_fractions(auction: Any) -> ConstraintCheck:
    numbers = _Auction(auction)
    profiles = prod(map(len, numbers.signals))
    require_few(profiles * len(numbers.signals) * len(numbers.following), "a winner-pay auction")
    verdict = ExactVerdict(tolerance_of(float(np.abs(auction.values).max())))
    for signals in product(*(range(len(own)) for own in numbers.signals)):
        winner = numbers.winner(numbers.bids(signals))
        for i in range(len(signals)):
            worth = numbers.worth(i, signals)
            verdict.add(-worth if winner == i else worth, (i, *signals))
    answer, found = verdict.answer, None
    if answer.status is not Status.SATISFIED and verdict.place is not None:
        found = _counterexample(auction, verdict.place[0], verdict.place[1:], answer.gain)
    return ConstraintCheck.of(answer, float(verdict.tolerance), found)


def _counterexample(auction: Any, i: int, signals: Signals, gain: float) -> BidCounterexample:
    """The bid that wins where she does not, or loses where she wins."""
    bids = [Fraction(x) for row in auction.exact.signals for x in row]
    wins = int(auction.winner[signals]) == i
    low, high = (float(_Auction(auction).beta * bid) for bid in (min(bids), max(bids)))
    beyond = max(1.0, abs(low), abs(high))
    others = tuple(k for j, k in enumerate(signals) if j != i)
    bid = high + beyond if wins != bool(auction.mirror) else low - beyond
    return BidCounterexample(PeriodicExPostIC(), i, 0, (), signals[i], None, gain, others, bid=bid)


class _Auction:
    """An auction in fractions, from its definition."""

    def __init__(self, auction: Any) -> None:
        given, self.mirror = auction.exact, bool(auction.mirror)
        self.gamma: Fraction = given.gamma
        self.signals: tuple[tuple[Fraction, ...], ...] = given.signals
        count = len(self.signals)
        self.beta = 1 + self.gamma * (count - 1)
        rows = given.kernel.reshape(*given.kernel.shape[:count], -1)
        self.kernel = [[_plain(p) for p in row] for row in rows.reshape(-1, rows.shape[-1])]
        self.following = list(product(*map(range, given.kernel.shape[count:])))
        self.eta = [[Fraction(float(x)) for x in part.ravel()] for part in auction.eta]
        self.shapes = [part.shape for part in auction.eta]

    def bids(self, signals: Signals) -> list[Fraction]:
        """Truthful ones."""
        return [self.beta * own[k] for own, k in zip(self.signals, signals, strict=True)]

    def winner(self, bids: list[Fraction]) -> int:
        """Who wins; ties go to the bidder with the lowest number."""
        return bids.index(max(bids) if self.mirror else min(bids))

    def worth(self, i: int, signals: Signals) -> Fraction:
        """Expected payoff of winning: value, less the bid to beat, less what is due in the next period, discounted."""
        true = [own[k] for own, k in zip(self.signals, signals, strict=True)]
        others = [signal for j, signal in enumerate(true) if j != i]
        to_beat = max(others) if self.mirror else min(others)
        row = self.kernel[int(np.ravel_multi_index(signals, [len(own) for own in self.signals]))]
        expected = Fraction(0)
        for chance, after in zip(row, self.following, strict=True):
            if chance:
                elsewhere = tuple(k for j, k in enumerate(after) if j != i)
                expected += chance * self.eta[i][int(np.ravel_multi_index(elsewhere, self.shapes[i]))]
        value = true[i] + self.gamma * sum(others, Fraction(0))
        worth: Fraction = value - self.beta * to_beat - len(true) * self.gamma * (expected - to_beat)
        return worth


def _plain(number: Any) -> Fraction:
    """A number exactly as it was given; a float is the dyadic number that it is."""
    return Fraction(float(number)) if isinstance(number, (float, np.floating)) else to_exact(number)
