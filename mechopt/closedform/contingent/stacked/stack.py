"""Stacked matrices: evidence of several future periods on an own signal, one below the other."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from mechopt.closedform.contingent.setting import chain
from mechopt.core.numbers import Array, FloatArray, IntArray
from mechopt.environment.interdependent import InterdependentTypes


def ahead(environment: InterdependentTypes, t: int, steps: int) -> int:
    """Number of future periods that transfers about period t can use."""
    return steps if environment.infinite else min(steps, environment.stages - 1 - t)


def future_columns(
    environment: InterdependentTypes, policy: tuple[IntArray, ...], t: int, agent: int, length: int
) -> list[FloatArray]:
    """Distributions of the others' signals 1, ..., `length` periods after t, under the policy from t + 1 on.

    Parameters
    ----------
    environment : InterdependentTypes
    policy : tuple over periods of int arrays
    t, agent, length : int

    Returns
    -------
    list of float arrays ``(action or 1, others, row, own signal)``
    """
    kernel = environment.kernel[t]
    joint = kernel[:1] if not environment.controlled(t) else kernel
    now = environment.shape[t]
    joint = joint.reshape(len(joint), prod(now), -1)
    found, at = [], t
    for _ in range(length):
        following = environment.following(at)
        distribution = joint.reshape(len(joint), *now, *environment.shape[following])
        distribution = np.moveaxis(distribution.sum(axis=1 + environment.agents + agent), 1 + agent, -1)
        others = prod(now) // now[agent]
        found.append(np.ascontiguousarray(distribution).reshape(len(joint), others, -1, now[agent]))
        at = following
        if len(found) < length:
            joint = joint @ chain(environment, policy, at)
    return found


def stack_of(distributions: list[Array], discount: Any) -> tuple[Array, Any]:
    """One matrix above the other, weighted by discounts that sum to 1; and what they summed to."""
    weights = [discount**k for k in range(1, len(distributions) + 1)]
    total = sum(weights)
    return np.concatenate(
        [w / total * distribution for w, distribution in zip(weights, distributions, strict=True)], axis=2
    ), total
