"""Who wins a winner-pay auction, and the most profitable bid, by trying all that differ in what they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mechopt.core.numbers import FloatArray, IntArray


@dataclass(frozen=True)
class BidDeviation:
    """The most profitable bid.

    Attributes
    ----------
    bidder : int
    signals : tuple of int
        The profile of signals, by index.
    bid : float
        What she bids instead of ``beta`` times her signal.
    gain : float
        Expected payoff of that bid less that of the truthful one.
    """

    bidder: int
    signals: tuple[int, ...]
    bid: float
    gain: float


def allocation(bids: FloatArray, mirror: bool) -> IntArray:
    """Who wins: the lowest bid, the mirror's highest; ties go to the bidder with the lowest number.

    Parameters
    ----------
    bids : float array ``(bidder, ...)``
    mirror : bool
    """
    return np.asarray(bids.argmax(axis=0) if mirror else bids.argmin(axis=0), dtype=np.int64)


def best_deviation(grids: Sequence[FloatArray], worth: FloatArray, slope: float, mirror: bool) -> BidDeviation:
    """Try every bid of every bidder at every profile, the others bidding ``slope`` times their signals.

    Parameters
    ----------
    grids : sequence over bidders of float arrays ``(signal,)``
    worth : float array ``(bidder, *signals)``
        Expected payoff of each if she wins, at each profile; 0 if she does not.
    slope : float
    mirror : bool
    """
    profile = np.stack(np.meshgrid(*grids, indexing="ij"))
    points = np.unique(np.concatenate(grids))
    beyond = max(1.0, float(np.abs(points).max()))
    points = np.unique([points[0] - beyond, *points, *(points[1:] + points[:-1]) / 2, points[-1] + beyond])
    best = BidDeviation(0, (0,) * len(grids), float(slope * grids[0][0]), 0.0)
    truthful = allocation(profile, mirror)
    for i in range(len(grids)):
        for point in points:
            bids = profile.copy()
            bids[i] = point
            gains = worth[i] * ((allocation(bids, mirror) == i).astype(float) - (truthful == i))
            gains = np.where(np.isfinite(gains), gains, np.inf)  # sums beyond floats are no equilibrium
            if gains.max() > best.gain:
                where = tuple(int(k) for k in np.unravel_index(gains.argmax(), gains.shape))
                best = BidDeviation(i, where, float(slope * point), float(gains.max()))
    return best
