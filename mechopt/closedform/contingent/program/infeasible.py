"""Why there are no transfers: misreports whose gains no transfer of the class can tax (Farkas).

Multiplied by the multipliers and added up the inequalities have no unknown left, and read 0 >= a positive number.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from mechopt.closedform.contingent.program.nearby import SparseRow, exact_near
from mechopt.closedform.contingent.program.rows import Kind, Rows
from mechopt.core.errors import LimitError
from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.environment.interdependent import InterdependentTypes

SUPPORT = (1e-7, 1e-10, 1e-5)
"""Sizes, relative to the largest, from which multipliers in floats are taken to be there; tried in this order."""

SHOWN = 4
"""Misreports that a message lists."""


class Share(NamedTuple):
    """One inequality of the proof, with its multiplier.

    Attributes
    ----------
    multiplier : Fraction or float
        At least 0, but for equations.
    kind : str
        ``"truth"``, ``"misreport"``, ``"last"`` (a misreport in the last period), ``"participation"``, ``"cap"`` or
        ``"balance"``.
    agent : int
        -1 for rows of all agents.
    period : int
    action : int
        What is done after the report; -1 for rows that are not about a report.
    others : tuple of int
        The others' signals.
    signal, report : int
        Own signal, and what is reported.
    """

    multiplier: Fraction | float
    kind: str
    agent: int
    period: int
    action: int
    others: tuple[int, ...]
    signal: int
    report: int

    def named(self, environment: InterdependentTypes) -> str:
        """Say it with the environment's names."""
        if self.action < 0:
            who = "all agents" if self.agent < 0 else f"agent {environment.names[self.agent]!r}"
            return f"{self.kind}, {who}"
        types = [names[self.period] for names in environment.types]
        others = ", ".join(
            repr(names[k])
            for names, k in zip([n for j, n in enumerate(types) if j != self.agent], self.others, strict=True)
        )
        own = types[self.agent]
        says = f"signal {own[self.signal]!r} reports {own[self.report]!r}"
        if self.signal == self.report:
            says = f"signal {own[self.signal]!r} tells the truth"
        action = environment.action_names(self.period)[self.action]
        who = f"agent {environment.names[self.agent]!r}, period {self.period}, action {action!r}"
        return f"{who}, others at {others}: {says}"


@dataclass(frozen=True, eq=False, repr=False)
class Farkas:
    """A proof that no transfers of the class exist.

    Attributes
    ----------
    environment : InterdependentTypes
    shares : tuple of Share
        The inequalities with non-zero multipliers; those of inequalities add up to 1.
    contradiction : Fraction or float
        What the combination says that 0 is at least: positive.
    exact : bool
        Whether multipliers are fractions that cancel exactly; else floats that cancel up to `residual`.
    residual : float
        Largest coefficient that is left of an unknown.
    rows : int array
        Their numbers in the program.
    """

    environment: InterdependentTypes
    shares: tuple[Share, ...]
    contradiction: Fraction | float
    exact: bool
    residual: float
    rows: IntArray

    @property
    def misreports(self) -> tuple[Share, ...]:
        """The misreports among the shares, largest multiplier first."""
        shown = [share for share in self.shares if share.kind in ("misreport", "last")]
        return tuple(sorted(shown, key=lambda share: -share.multiplier))

    def __str__(self) -> str:
        shown = self.misreports
        lines = [f"{float(share.multiplier):.4g} x ({share.named(self.environment)})" for share in shown[:SHOWN]]
        return "; ".join([*lines, *([f"and {len(shown) - SHOWN} more"] if len(shown) > SHOWN else [])])

    def __repr__(self) -> str:
        how = "exact" if self.exact else f"up to {self.residual:.2g}"
        return f"Farkas({len(self.shares)} inequalities give 0 >= {float(self.contradiction):.6g}, {how})"


def farkas(
    environment: InterdependentTypes, policy: tuple[IntArray, ...], rows: Rows, count: int, near: FloatArray
) -> Farkas:
    """Make the multipliers of a solver exact, and check them.

    Parameters
    ----------
    environment : InterdependentTypes
    policy : tuple over periods of int arrays ``(*signals,)``
    rows : Rows
        With fractions.
    count : int
        Number of unknowns.
    near : float array ``(row,)``
    """
    order = np.argsort(rows.row, kind="stable")
    starts = np.searchsorted(rows.row[order], np.arange(len(rows.side) + 1))
    by_row: list[SparseRow] = []
    largest = float(np.abs(near).max())
    for share in SUPPORT:
        support = np.flatnonzero(np.abs(near) > share * largest)
        by_row = [_row(rows, order[starts[i] : starts[i + 1]]) for i in support.tolist()]
        found = _exact(by_row, rows, support, near)
        if found is not None:
            total = sum((y * rows.side[i] for y, i in zip(found, support.tolist(), strict=True)), Fraction(0))
            weight = sum(
                (abs(y) for y, i in zip(found, support.tolist(), strict=True) if not rows.equal[i]), Fraction(0)
            )
            weight = weight or sum((abs(y) for y in found), Fraction(0))
            found, total = [y / weight for y in found], total / weight
            kept = [k for k, y in enumerate(found) if y]
            shares = [_share(environment, policy, rows.label[support[k]], found[k]) for k in kept]
            return Farkas(environment, tuple(shares), total, True, 0.0, support[kept])
    support = np.flatnonzero(np.abs(near) > SUPPORT[0] * largest)
    floats = near[support] / (float(np.abs(near[support][~rows.equal[support]]).sum()) or 1.0)
    left = np.zeros(count)
    for y, i in zip(floats, support.tolist(), strict=True):
        for column, value in _row(rows, order[starts[i] : starts[i + 1]]).items():
            left[column] += y * float(value)
    remains = float(floats @ rows.side[support].astype(np.float64))
    shares = [_share(environment, policy, rows.label[i], float(y)) for i, y in zip(support, floats, strict=True)]
    return Farkas(environment, tuple(shares), remains, False, float(np.abs(left).max()), support)


def _row(rows: Rows, entries: Array) -> SparseRow:
    found: SparseRow = {}
    for column, value in zip(rows.column[entries].tolist(), rows.value[entries], strict=True):
        found[column] = found.get(column, Fraction(0)) + Fraction(value)
    return found


def _exact(by_row: list[SparseRow], rows: Rows, support: IntArray, near: FloatArray) -> list[Fraction] | None:
    """Multipliers that cancel all unknowns and give 1; None where the support is not the right one."""
    columns: dict[int, SparseRow] = {}
    for k, row in enumerate(by_row):
        for column, value in row.items():
            if value:
                columns.setdefault(column, {})[k] = value
    side = {k: Fraction(rows.side[i]) for k, i in enumerate(support.tolist()) if rows.side[i]}
    floats = near[support]
    total = float(floats @ rows.side[support].astype(np.float64))
    if total <= 0 or not side:
        return None
    equations = [*sorted(columns.values(), key=len), side]
    try:
        found = exact_near(
            equations, [*[Fraction(0)] * len(columns), Fraction(1)], floats / total, np.argsort(np.argsort(floats))
        )
    except LimitError:
        return None
    if found is None or any(y < 0 for y, i in zip(found, support.tolist(), strict=True) if not rows.equal[i]):
        return None
    return found


def _share(
    environment: InterdependentTypes, policy: tuple[IntArray, ...], label: IntArray, multiplier: Fraction | float
) -> Share:
    kind, agent, period, profile, report = (int(entry) for entry in label)
    name = Kind(kind).name.lower()
    if kind not in (Kind.TRUTH, Kind.MISREPORT, Kind.LAST):
        return Share(multiplier, name, agent, period, -1, (), profile, report)
    signals = [int(k) for k in np.unravel_index(profile, environment.shape[period])]
    told = list(signals)
    told[agent] = report
    others = tuple(k for j, k in enumerate(signals) if j != agent)
    action = int(policy[period][tuple(told)])
    return Share(multiplier, name, agent, period, action, others, signals[agent], report)
