"""Participation constraints as rows and as bounds.

In lifetime utilities S and realised utilities R (see `columns`; R = 0 before anything happened, R = S at the end):

- EPIR:                  S >= 0 at the end of every path (a bound);
- prefix:                R >= 0 at every history (a bound);
- per period:            R(h,m) - R(h) >= 0 for each report profile m;
- per period, expected:  E R(h,.) - R(h) >= 0;
- interim:               E S(k,.) >= 0 for each first type k;
- periodic:              E S(h,k,.) - R(h) >= 0 for each current type k;
- expected continuation: S(h) - R(h) >= 0.

With outside options o their present values take the place of 0, bounds become rows, and rows are divided by the option
where it is not 0: EPIR and prefix ask for it at all histories, per-period constraints in the first period.

Source: Mirrokni et al. (2020), supplement A.1 and B.1.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from mechopt.core.numbers import Array, IntArray
from mechopt.lp.independent.columns import Columns
from mechopt.lp.independent.period import Stage
from mechopt.lp.program import RowFamily, Rows


def _at_least(columns: IntArray, coefficients: Array, side: Array | None) -> Rows:
    """Rows that are at least a side, which broadcasts to them, or 0; divided by it where it is not 0."""
    if side is None:
        return Rows(columns, coefficients, 0.0, np.inf)
    scale = np.where(side != 0, abs(side), 1)
    return Rows(
        columns, coefficients / scale[..., None], np.asarray(side > 0, float) - np.asarray(side < 0, float), np.inf
    )


def _first_option(stage: Stage) -> Array | None:
    """The buyer's option at contracting, in the first period; 0 in others, None where nobody has one."""
    if stage.options is None:
        return None
    first = stage.options[:1] if stage.period == 0 else stage.options[:1] * 0
    return first


def on_paths(name: str, stage: Stage) -> RowFamily:
    """Rows of `EPIR` or `PFIR`, as the name says, for one buyer and the histories at the end of a period."""
    profiles = stage.others_count * stage.types[stage.buyer]
    axes = (("history", stage.histories), ("report profile", profiles))
    return RowFamily(name, stage.buyer, stage.period, axes, 1, partial(_path_rows, stage))


def _path_rows(stage: Stage, columns: Columns) -> Rows:
    after = columns.realised[stage.period + 1][stage.buyer].reshape(stage.histories, -1, 1)
    return _at_least(after, np.ones(1, dtype=np.int64), stage.at_contracting)


def ex_ante(stage: Stage) -> RowFamily:
    """Row of `ExAnteIR` for one buyer, with outside options; the stage is that of the first period."""
    return RowFamily("ex-ante", stage.buyer, 0, (("history", 1),), 1, partial(_ex_ante_rows, stage))


def _ex_ante_rows(stage: Stage, columns: Columns) -> Rows:
    return _at_least(columns.lifetime[0][stage.buyer][:, None], np.ones(1, dtype=np.int64), stage.expected_option)


def _interim_rows(stage: Stage, columns: Columns) -> Rows:
    after = stage.apart(columns.lifetime[stage.period + 1][stage.buyer])
    return _at_least(after, stage.others, stage.options)


def interim(stage: Stage) -> RowFamily:
    """Rows of `Interim` for one buyer; the stage is that of the first period."""
    axes = (("history", 1), ("type", stage.types[stage.buyer]))
    return RowFamily("interim", stage.buyer, 0, axes, stage.others_likely, partial(_interim_rows, stage))


def _periodic_rows(stage: Stage, columns: Columns) -> Rows:
    after = stage.apart(columns.lifetime[stage.period + 1][stage.buyer])
    before = np.broadcast_to(columns.realised[stage.period][stage.buyer][:, None, None], (*after.shape[:2], 1))
    return _at_least(np.concatenate([after, before], axis=-1), np.append(stage.others, -1), stage.options)


def periodic(stage: Stage) -> RowFamily:
    """Rows of `PeriodicIR` for one buyer in one period."""
    axes = (("history", stage.histories), ("type", stage.types[stage.buyer]))
    build = partial(_periodic_rows, stage)
    return RowFamily("periodic", stage.buyer, stage.period, axes, stage.others_likely + 1, build)


def _per_period_rows(stage: Stage, columns: Columns) -> Rows:
    after = columns.realised[stage.period + 1][stage.buyer].reshape(stage.histories, -1)
    before = np.broadcast_to(columns.realised[stage.period][stage.buyer][:, None], after.shape)
    return _at_least(np.stack([after, before], axis=-1), np.array([1, -1]), _first_option(stage))


def per_period(stage: Stage) -> RowFamily:
    """Rows of `PPIR` for one buyer in one period."""
    profiles = stage.others_count * stage.types[stage.buyer]
    axes = (("history", stage.histories), ("report profile", profiles))
    return RowFamily("per-period", stage.buyer, stage.period, axes, 2, partial(_per_period_rows, stage))


def _drift_rows(utility: str, upper: float, stage: Stage, columns: Columns) -> Rows:
    """0 <= E U(h,.) - U(h) <= upper over histories, U = S or R."""
    before, after = (getattr(columns, utility)[stage.period + s][stage.buyer] for s in (0, 1))
    index = np.concatenate([after.reshape(stage.histories, -1), before[:, None]], axis=1)
    coefficients = np.append(stage.tree.distribution[stage.period].ravel(), -1)
    if utility == "realised":
        return _at_least(index, coefficients, _first_option(stage))
    return Rows(index, coefficients, 0.0, upper)


def per_period_expected(stage: Stage) -> RowFamily:
    """Rows of `PEIR` for one buyer in one period."""
    width = 1 + stage.profiles_likely
    build = partial(_drift_rows, "realised", np.inf, stage)
    return RowFamily("per-period-expected", stage.buyer, stage.period, (("history", stage.histories),), width, build)


def _expected_continuation_rows(stage: Stage, columns: Columns) -> Rows:
    life, realised = (c[stage.period][stage.buyer] for c in (columns.lifetime, columns.realised))
    return _at_least(np.stack([life, realised], axis=-1), np.array([1, -1]), stage.expected_option)


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
