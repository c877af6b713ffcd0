"""Participation constraints as rows and as bounds.

In lifetime utilities S and realised utilities R (see `columns`; R = 0 before anything happened, R = S at the end):

- EPIR:                  S >= 0 at the end of every path (a bound);
- prefix:                R >= 0 at every history (a bound);
- per period:            R(h,m) - R(h) >= 0 for each report profile m;
- per period, expected:  E R(h,.) - R(h) >= 0;
- interim:               E S(k,.) >= 0 for each first type k;
- periodic:              E S(h,k,.) - R(h) >= 0 for each current type k;
- expected continuation: S(h) - R(h) >= 0.

Source: Mirrokni et al. (2020), supplement A.1 and B.1.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from mechopt.lp.independent.columns import Columns
from mechopt.lp.independent.period import Stage
from mechopt.lp.program import RowFamily, Rows


def _interim_rows(stage: Stage, columns: Columns) -> Rows:
    after = stage.apart(columns.lifetime[stage.period + 1][stage.buyer])
    return Rows(after, stage.others, 0.0, np.inf)


def interim(stage: Stage) -> RowFamily:
    """Rows of `Interim` for one buyer; the stage is that of the first period."""
    axes = (("history", 1), ("type", stage.types[stage.buyer]))
    return RowFamily("interim", stage.buyer, 0, axes, stage.others_likely, partial(_interim_rows, stage))


def _periodic_rows(stage: Stage, columns: Columns) -> Rows:
    after = stage.apart(columns.lifetime[stage.period + 1][stage.buyer])
    before = np.broadcast_to(columns.realised[stage.period][stage.buyer][:, None, None], (*after.shape[:2], 1))
    return Rows(np.concatenate([after, before], axis=-1), np.append(stage.others, -1.0), 0.0, np.inf)


def periodic(stage: Stage) -> RowFamily:
    """Rows of `PeriodicIR` for one buyer in one period."""
    axes = (("history", stage.histories), ("type", stage.types[stage.buyer]))
    build = partial(_periodic_rows, stage)
    return RowFamily("periodic", stage.buyer, stage.period, axes, stage.others_likely + 1, build)


def _per_period_rows(stage: Stage, columns: Columns) -> Rows:
    after = columns.realised[stage.period + 1][stage.buyer].reshape(stage.histories, -1)
    before = np.broadcast_to(columns.realised[stage.period][stage.buyer][:, None], after.shape)
    return Rows(np.stack([after, before], axis=-1), np.array([1.0, -1.0]), 0.0, np.inf)


def per_period(stage: Stage) -> RowFamily:
    """Rows of `PPIR` for one buyer in one period."""
    profiles = stage.others_count * stage.types[stage.buyer]
    axes = (("history", stage.histories), ("report profile", profiles))
    return RowFamily("per-period", stage.buyer, stage.period, axes, 2, partial(_per_period_rows, stage))


def _drift_rows(utility: str, upper: float, stage: Stage, columns: Columns) -> Rows:
    """0 <= E U(h,.) - U(h) <= upper over histories, U = S or R."""
    before, after = (getattr(columns, utility)[stage.period + s][stage.buyer] for s in (0, 1))
    index = np.concatenate([after.reshape(stage.histories, -1), before[:, None]], axis=1)
    return Rows(index, np.append(stage.tree.distribution[stage.period].ravel(), -1.0), 0.0, upper)


def per_period_expected(stage: Stage) -> RowFamily:
    """Rows of `PEIR` for one buyer in one period."""
    width = 1 + stage.profiles_likely
    build = partial(_drift_rows, "realised", np.inf, stage)
    return RowFamily("per-period-expected", stage.buyer, stage.period, (("history", stage.histories),), width, build)


def _expected_continuation_rows(stage: Stage, columns: Columns) -> Rows:
    life, realised = (c[stage.period][stage.buyer] for c in (columns.lifetime, columns.realised))
    return Rows(np.stack([life, realised], axis=-1), np.array([1.0, -1.0]), 0.0, np.inf)


def expected_continuation(stage: Stage) -> RowFamily:
    """Rows of `ExpectedContinuationIR` for one buyer in one period."""
    axes = (("history", stage.histories),)
    build = partial(_expected_continuation_rows, stage)
    return RowFamily("expected-continuation", stage.buyer, stage.period, axes, 2, build)


def promise(stage: Stage) -> RowFamily:
    """Rows that make S a lifetime utility: S(h) = E S(h,.), for one buyer in one period."""
    build = partial(_drift_rows, "lifetime", 0.0, stage)
    axes = (("history", stage.histories),)
    return RowFamily("promise", stage.buyer, stage.period, axes, 1 + stage.profiles_likely, build)
