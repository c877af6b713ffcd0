"""Actions, amounts and reports of many entries in words: one number where they agree, else a range."""

from __future__ import annotations

from itertools import product

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.show.explain.policies.tables import Stage
from mechopt.show.explain.wording import amount, boxes, names

SAME = 1e-4
"""Relative difference up to which payments of one rule are shown as one number; a chance below it is not shown."""


def action_words(actions: tuple[str, ...], low: FloatArray, high: FloatArray) -> str:
    """Sure action, or each action that may be drawn with the range of its probability."""
    sure = np.flatnonzero(low >= 1 - SAME)
    if len(sure):
        return actions[int(sure[0])]
    drawn = [a for a in np.flatnonzero(high >= SAME).tolist() if a != 0] or [0]
    return ", ".join(f"{actions[a]} with {_between(float(low[a]), float(high[a]), 1.0)}" for a in drawn)


def range_words(low: FloatArray, high: FloatArray, scales: tuple[float, ...]) -> str:
    """Amounts by agent; what is less than `SAME` of the agent's largest value is 0."""
    return " / ".join(_between(*ends) for ends in zip(low.tolist(), high.tolist(), scales, strict=True))


def _between(low: float, high: float, scale: float) -> str:
    """One number, or two."""
    low, high = (0.0 if abs(end) < SAME * scale else end for end in (low, high))
    if high - low <= 1e-9 * scale:
        return amount(low)
    if high - low <= SAME * scale:
        return amount(float(f"{(low + high) / 2:.4g}"))
    return f"{_shortened(low)} to {_shortened(high)}"


def _shortened(value: float) -> str:
    """Three digits, as decimals."""
    return "0" if abs(value) < 1e-6 else f"{value:.3g}"


def report_words(stage: Stage, profiles: list[int], possible: set[int]) -> list[tuple[int, str]]:
    """Reports in words, one line a product of sets, with the first profile of each."""
    if set(profiles) == possible and len(possible) > 1:
        return [(min(profiles), "any")]
    found = []
    for box in boxes(tuple(int(k) for k in np.unravel_index(m, stage.shape)) for m in profiles):
        label = " / ".join(names(part, row) for part, row in zip(box, stage.types, strict=True))
        found.append((min(int(np.ravel_multi_index(k, stage.shape)) for k in product(*box)), label))
    return found
