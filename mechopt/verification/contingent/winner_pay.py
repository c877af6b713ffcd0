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
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray, IntArray, to_exact
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

    bid: float = field(kw_only=True)

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
    numbers = _Auction(auction)
    verdict, winner = Verdict(numbers.tolerance), numbers.winners
    for i in range(len(numbers.signals)):
        worth, rounding = _worth_in_floats(auction, i)
        verdict.add(np.where(winner == i, -worth, worth), rounding)
    answer, found = verdict.answer, None
    if answer.place is not None:
        i, at = answer.place
        found = _counterexample(numbers, i, tuple(map(int, np.unravel_index(at, winner.shape))), answer.gain)
    return ConstraintCheck.of(answer, verdict.tolerance, found)


def _worth_in_floats(auction: Any, i: int) -> tuple[FloatArray, FloatArray]:
    """Expected payoff of winning at all profiles, and a bound of its rounding."""
    given, index = auction.exact, auction.eta[i]
    grids, gamma, count = [[float(x) for x in own] for own in given.signals], float(given.gamma), len(given.signals)
    own = np.stack(np.meshgrid(*grids, indexing="ij"))
    others, beta = np.delete(own, i, axis=0), 1 + gamma * (count - 1)
    to_beat = others.max(axis=0) if auction.mirror else others.min(axis=0)
    chances = np.vectorize(lambda p: float(_plain(p)), otypes=[np.float64])(given.kernel).sum(axis=count + i)
    following = chances.reshape(*chances.shape[:count], -1)
    most = np.abs(others).max(axis=0)
    with np.errstate(invalid="ignore", over="ignore"):
        owed = count * gamma * (following @ index.ravel() - to_beat)
        worth = own[i] + gamma * others.sum(axis=0) - beta * to_beat - owed
        owing = count * gamma * (following @ np.abs(index).ravel() + most)
        size = np.abs(own[i]) + gamma * np.abs(others).sum(axis=0) + beta * most + owing
        largest = float(max(np.abs(own).max(), np.abs(index).max()))
        return worth, Precision.of(index.size + 4 * count + OTHER_ROUNDINGS, largest).bound(size)


def _in_fractions(auction: Any) -> ConstraintCheck:
    numbers = _Auction(auction)
    profiles, bidders = prod(map(len, numbers.signals)), range(len(numbers.signals))
    require_few(profiles * len(bidders) * len(numbers.following), "a winner-pay auction")
    verdict = ExactVerdict(numbers.tolerance)
    for signals in product(*(range(len(own)) for own in numbers.signals)):
        winner = numbers.winner(numbers.bids(signals))
        for i in bidders:
            worth = numbers.worth(i, signals)
            verdict.add(-worth if winner == i else worth, (i, *signals))
    answer, found = verdict.answer, None
    if answer.status is not Status.SATISFIED:
        i, *at = verdict.place or ()
        found = _counterexample(numbers, i, tuple(at), answer.gain)
    return ConstraintCheck.of(answer, float(verdict.tolerance), found)


def _counterexample(numbers: _Auction, i: int, signals: Signals, gain: float) -> BidCounterexample:
    """The bid that wins where she does not, or loses where she wins."""
    wins = numbers.winner(numbers.bids(signals)) == i
    every = [float(numbers.beta * x) for own in numbers.signals for x in own]
    beyond = max(map(abs, every)) or 1.0
    others = tuple(k for j, k in enumerate(signals) if j != i)
    bid = max(every) + beyond if wins != numbers.mirror else min(every) - beyond
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

    @property
    def tolerance(self) -> float:
        """Of one period, from the values alone."""
        lowest, highest = ([own[k] for own in self.signals] for k in (0, -1))
        values = (abs(x + self.gamma * (sum(ends) - x)) for ends in (lowest, highest) for x in ends)
        return tolerance_of(float(max(values)))

    @property
    def winners(self) -> IntArray:
        """Who wins at truthful bids, at all profiles; bids are compared as they were given, not as floats."""
        place = {x: rank for rank, x in enumerate(sorted({x for own in self.signals for x in own}))}
        ranks = np.stack(np.meshgrid(*([place[x] for x in own] for own in self.signals), indexing="ij"))
        return np.asarray(ranks.argmax(axis=0) if self.mirror else ranks.argmin(axis=0))

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
