r"""Bounds of all gains in a mechanism on arms, arm by arm.

With e_j the step functions of `ArmsMechanism`, :math:`Q_i = \prod_{j \ne i} e_j` and :math:`x_i(m) = 1\{m \ge m_i\} -
e_i(s_i, m)`, take as what truth is worth the candidate

.. math:: U_i(s) = \int x_i \, Q_i \, dm .

Others stand still while i is served, so that with :math:`y_i(s, m) = e_i(s, m) - d \mathbb{E} e_i(s', m)` reports that
have i served, or another one k, or nobody, miss U_i by

.. math:: v_i - b_i - (1 - d) \bar m + \int y_i \, Q_i, \qquad - \int x_i \, y_k \prod_{j \ne i, k} e_j, \qquad
    - (1 - d) \, U_i .

Q_i ascends from 0 or more to 1. It is a mixture of steps :math:`1\{m \ge M\}`: the others offer to stop at a constant
M, which is never above all levels from which on they wait no longer. So the first of these is a mean over M of

.. math:: \Phi_i(s_i, M) = v_i - b_i - (1 - d) \bar m + \int_M^{\bar m} y_i \, dm,

which is linear between own levels: its largest value over the M that may be is found there. The second one is bounded
by the largest value of one factor and the integral of the other where that is of the wrong sign. The third one is
largest where all of x_i counts or none of it: x_i is below 0 under m_i alone. Where truth misses U
by at most :math:`\eta`, truth is worth U up to :math:`\eta / (1 - d)`, and no misreport gains more than what
it has above U and :math:`(1 + d) \eta / (1 - d)`.

Of the dynamic pivot all of these are 0 but for rounding. Nothing here goes over joint states: n arms of S states take
n S^3 operations, and (n S)^2 comparisons.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mechopt.core.numbers import FloatArray
from mechopt.mechanism.endless.arms import ArmsMechanism
from mechopt.verification.rounding import UNIT

BoolArray = npt.NDArray[np.bool_]


class Part(NamedTuple):
    """One arm on its own intervals of money.

    Attributes
    ----------
    ends : float array ``(r + 1,)``
        From the floor to where all e are 1.
    x, y : float arrays ``(S, r)``
    top : float array ``(S,)``
        From where on e is 1; minus infinity where it always is.
    flow : float array ``(S,)``
        ``v - b - (1 - d) top``.
    """

    ends: FloatArray
    x: FloatArray
    y: FloatArray
    top: FloatArray
    flow: FloatArray

    def after(self, table: FloatArray) -> FloatArray:
        """Integral of a table from each end on, ``(S, r + 1)``."""
        parts = (table * np.diff(self.ends))[:, ::-1].cumsum(axis=1)[:, ::-1]
        return np.concatenate([parts, np.zeros((len(table), 1))], axis=1)

    def largest(self, ends: FloatArray, table: FloatArray, cap: FloatArray) -> FloatArray:
        """Largest of a function that is linear between ends, by state, from the floor up to its cap below the top."""
        cap, rows = np.maximum(cap, self.ends[0]), np.arange(len(ends))
        inside = np.where(self.ends <= cap[:, None], ends, -np.inf).max(axis=1)
        place = np.searchsorted(self.ends, cap, side="right") - 1
        at_cap = ends[rows, place + 1] + (self.ends[place + 1] - cap) * table[rows, place]
        return np.asarray(np.maximum(inside, at_cap))

    def from_cap(self, table: FloatArray, cap: FloatArray) -> FloatArray:
        """Integral of a table from each state's cap on, ``(S,)``."""
        inside = np.clip(self.ends[1:] - np.maximum(self.ends[:-1], cap[:, None]), 0, None)
        return np.asarray((table * inside).sum(axis=1))

    def before_top(self, table: FloatArray) -> FloatArray:
        """Integral of a table up to where e is 1, ``(S,)``."""
        inside = np.clip(np.minimum(self.ends[1:], self.top[:, None]) - self.ends[:-1], 0, None)
        return np.asarray((table * inside).sum(axis=1))


class Bounds(NamedTuple):
    """By agent: largest gain of a misreport, and largest shortfall of utility below 0; what rounding adds at most."""

    misreport: FloatArray
    shortfall: FloatArray
    rounding: FloatArray


def part_of(m: ArmsMechanism, i: int, top: float) -> Part:
    """Put the step functions of an arm together."""
    levels, table, d = m.levels[i], m.waiting[i], m.environment.discount
    points = np.append(levels, m.start[i])
    ends = np.unique(np.append(np.maximum(points, m.floor), [m.floor, top]))
    e = table[:, np.searchsorted(levels, ends[:-1], side="right")]
    x = (ends[:-1] >= m.start[i]).astype(np.float64) - e
    y = e - d * m.kernel(i) @ e
    tops = np.append(-np.inf, levels)[(table < 1).sum(axis=1)]
    return Part(ends, x, y, tops, m.value(i) - m.base[i] - (1 - d) * top)


def well_formed(m: ArmsMechanism) -> bool:
    """Whether all e ascend from 0 or more to 1."""
    return all(
        bool((table >= 0).all() and (np.diff(table, axis=1) >= 0).all() and (table[:, -1] == 1).all())
        for table in m.waiting
    )


class Ranks:
    """Who is served before whom: arms and states in one list.

    Attributes
    ----------
    arm : int array ``(entry,)``
    worse : bool array ``(entry, entry)``
        Whether the second one is another arm's and waits while the first one is served.
    active : bool array ``(entry,)``
        Whether it may be served at all.
    wins : bool array ``(entry,)``
        Whether every other arm has a state that waits for this one.
    """

    def __init__(self, m: ArmsMechanism) -> None:
        index = np.concatenate(m.index)
        self.arm = np.repeat(np.arange(m.agents), [len(row) for row in m.index])
        lower = index[None, :] < index[:, None]
        later = (index[None, :] == index[:, None]) & (self.arm[None, :] > self.arm[:, None])
        self.worse: BoolArray = lower | later
        self.worse &= self.arm[None, :] != self.arm[:, None]
        self.active: BoolArray = index > 0 if m.idling is not None else np.ones(len(index), dtype=bool)
        beaten = np.stack([self.worse[:, self.arm == j].any(axis=1) for j in range(m.agents)], axis=1)
        beaten[np.arange(len(index)), self.arm] = True
        self.wins = beaten.all(axis=1) & self.active


def bounds(m: ArmsMechanism) -> Bounds:
    """Bound all gains."""
    n, d = m.agents, m.environment.discount
    top = max(max(float(levels.max()) for levels in m.levels), float(m.start.max()), m.floor) + 1.0
    parts, ranks = [part_of(m, i, top) for i in range(n)], Ranks(m)
    tops = np.concatenate([part.top for part in parts])
    below = np.where(ranks.worse, tops[None, :], -np.inf).max(axis=1)  # M while this one is served
    served_before = ranks.worse.T & ranks.wins[None, :]
    above = np.where(served_before, tops[None, :], np.inf).min(axis=1)  # of whom is served instead
    misreport, shortfall, rounding = (np.zeros(n) for _ in range(3))
    for i, part in enumerate(parts):
        own, others = ranks.arm == i, [k for k in range(n) if k != i]
        phi, kept = part.flow[:, None] + part.after(part.y), part.after(part.x)
        off, most, wins = 0.0, 0.0, ranks.wins[own]
        if wins.any():
            cap = below[own]
            missed = np.maximum(part.largest(phi, part.y, cap), part.largest(-phi, -part.y, cap))
            off = float(missed[wins].max())
            most = float(part.largest(phi, part.y, np.full(len(cap), cap[wins].max())).max())
        if others:
            other = [(parts[k], ranks.wins[ranks.arm == k]) for k in others]
            falls = max(float(p.after(np.maximum(-p.y, 0))[w, 0].max(initial=0.0)) for p, w in other)
            early = max(float(p.before_top(np.abs(p.y))[w].max(initial=0.0)) for p, w in other)
            rise = max(float(np.abs(p.y[w]).max(initial=0.0)) for p, w in other)
            wrong = part.after(np.maximum(-part.x, 0))[:, 0]
            most = max(most, float((np.maximum(part.x.max(axis=1), 0) * falls + rise * wrong).max()))
            lost = np.abs(part.x).max(axis=1) * early + rise * part.from_cap(np.abs(part.x), above[own])
            off = max(off, float(lost[served_before[own].any(axis=1)].max(initial=0.0)))
        resting = [row <= 0 for row in m.index]
        if m.idling is not None and all(row.any() for row in resting):
            most = max(most, (1 - d) * float((-kept[:, 0]).max()))
            off = max(off, (1 - d) * float(part.after(np.abs(part.x))[resting[i], 0].max()))
        shortfall[i] = float((-kept).max()) + off / (1 - d)
        misreport[i] = max(most, 0.0) + (1 + d) * off / (1 - d)
        size = float(np.abs(part.flow).max()) + 4 * (top - m.floor) + 2 * abs(top) + float(np.abs(m.value(i)).max())
        rounding[i] = 16 * (sum(part.y.shape) + 24) * UNIT * size / (1 - d)
    return Bounds(misreport, shortfall, rounding)
