"""Rows of the incentive constraints, one pure function a constraint.

In lifetime utilities S and realised utilities R (see `columns`), a buyer of type k who reports j after the history h
gains exactly (v_k - v_j) x(h, j) over what type j gets, in the period, and nothing afterwards, because later types are
independent across periods. Everything before h cancels. So with v in present values:

- DIC:       E S(h,k,.) - E S(h,j,.) >= (v_k - v_j) E x(h,j,.), the expectation over the others' current types;
- ex post:   the same for each profile of the others;
- PPIC:      the same with R for S;
- INDU:      E (S - R)(h,k,.) = E (S - R)(h,j,.);
- super-DIC: S(h,k,.,f) - S(h,j,.,f) >= (v_k - v_j) x(h,j,.) on full paths, for each profile of the others and future f.

With one buyer each inequality has three non-zeros. Neighbouring types suffice (`stage.adjacent_pairs`). Where
misreports may gain something (`EpsilonIC`), all have rows, divided by it, and are at least -1.
Source: Mirrokni et al. (2020), section 2 and supplement A.1.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from mechopt.core.numbers import Array, FloatArray
from mechopt.lp.independent.columns import Columns
from mechopt.lp.independent.period import Stage
from mechopt.lp.program import RowFamily, Rows


def _own(columns: Columns, utility: str, stage: Stage) -> tuple[Array, Array]:
    """Columns of a utility and of the allocation of the stage's buyer, axes (history, own type, others' profile)."""
    after: Array = getattr(columns, utility)[stage.period + 1][stage.buyer]
    return stage.apart(after), stage.apart(columns.allocation[stage.period][stage.buyer].ravel())


def _family(
    name: str, stage: Stage, build: partial[Rows], width: int, axes: tuple[tuple[str, int], ...] = ()
) -> RowFamily:
    """A family over (history, pair, *axes) whose rows have ``width`` non-zeros each."""
    axes = (("history", stage.histories), ("pair", len(stage.pairs)), *axes)
    return RowFamily(name, stage.buyer, stage.period, axes, width, build, stage.pairs)


def _coefficients(stage: Stage) -> FloatArray:
    """Coefficients of (U(k), U(j), x(j)) by pair; shape ``(P, 3)``.

    Rows are divided by |v_k - v_j|. The solver's tolerance is then one on allocations, so that neighbouring types of
    nearly equal value cannot break the monotonicity on which the sufficiency of neighbours rests.
    """
    if stage.epsilon:
        scale = np.ones(len(stage.gains), dtype=np.int64) / stage.slack
        return np.stack([scale, -scale, -stage.gains / stage.slack], axis=-1)
    scale = 1 / np.abs(stage.gains)
    return np.stack([scale, -scale, -np.sign(stage.gains)], axis=-1)


def _least(stage: Stage) -> float:
    """Lower side of the rows."""
    return -1.0 if stage.epsilon else 0.0


def _interim_rows(utility: str, stage: Stage, columns: Columns) -> Rows:
    """E U(h,k,.) - E U(h,j,.) - (v_k - v_j) E x(h,j,.) >= 0 over (history, pair), U = S or R."""
    true, report = stage.pairs.T
    own, x = _own(columns, utility, stage)
    index = np.concatenate([own[:, true], own[:, report], x[:, report]], axis=-1)
    coefficients = (_coefficients(stage)[:, :, None] * stage.others).reshape(len(true), 3 * stage.others_count)
    return Rows(index, coefficients, _least(stage), np.inf)


def dic(stage: Stage) -> RowFamily:
    """Rows of `DIC` for one buyer in one period."""
    return _family("dic", stage, partial(_interim_rows, "lifetime", stage), 3 * stage.others_likely)


def ppic(stage: Stage) -> RowFamily:
    """Rows of `PPIC` for one buyer in one period."""
    return _family("ppic", stage, partial(_interim_rows, "realised", stage), 3 * stage.others_likely)


def _ex_post_rows(stage: Stage, columns: Columns) -> Rows:
    """S(h,k,m) - S(h,j,m) - (v_k - v_j) x(h,j,m) >= 0 over (history, pair, others' profile m)."""
    true, report = stage.pairs.T
    own, x = _own(columns, "lifetime", stage)
    index = np.stack([own[:, true], own[:, report], x[:, report]], axis=-1)
    return Rows(index, _coefficients(stage)[:, None, :], _least(stage), np.inf)


def ex_post(stage: Stage) -> RowFamily:
    """Rows of `ExPostIC` for one buyer in one period."""
    return _family("ex-post", stage, partial(_ex_post_rows, stage), 3, (("others' profile", stage.others_count),))


def _indu_rows(stage: Stage, columns: Columns) -> Rows:
    """E (S - R)(h,k,.) - E (S - R)(h,j,.) = 0 over (history, pair)."""
    true, report = stage.pairs.T
    life, _ = _own(columns, "lifetime", stage)
    realised, _ = _own(columns, "realised", stage)
    index = np.concatenate([life[:, true], realised[:, true], life[:, report], realised[:, report]], axis=-1)
    w = stage.others
    if stage.epsilon:
        w = w / stage.slack
    return Rows(index, np.concatenate([w, -w, -w, w]), _least(stage), -_least(stage))


def indu(stage: Stage) -> RowFamily:
    """Rows of `INDU` for one buyer in a period before the last (after the last nothing is left to depend)."""
    stage = stage if stage.epsilon else replace(stage, misreports="down")
    return _family("indu", stage, partial(_indu_rows, stage), 4 * stage.others_likely)


def _super_dic_rows(stage: Stage, columns: Columns) -> Rows:
    """S(h,k,m,f) - S(h,j,m,f) - (v_k - v_j) x(h,j,m) >= 0 over (history, pair, others' profile m, future f)."""
    true, report = stage.pairs.T
    _, x = _own(columns, "lifetime", stage)
    by_future = stage.apart(columns.lifetime[-1][stage.buyer].reshape(stage.tree.count[stage.period + 1], -1))
    index = np.stack(np.broadcast_arrays(by_future[:, true], by_future[:, report], x[:, report][..., None]), axis=-1)
    return Rows(index, _coefficients(stage)[:, None, None, :], _least(stage), np.inf)


def super_dic(stage: Stage) -> RowFamily:
    """Rows of `SuperDIC` for one buyer in one period."""
    futures = stage.tree.count[-1] // stage.tree.count[stage.period + 1]
    axes = (("others' profile", stage.others_count), ("future", futures))
    return _family("super-dic", stage, partial(_super_dic_rows, stage), 3, axes)
