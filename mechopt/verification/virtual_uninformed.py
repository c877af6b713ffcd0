r"""The best strategy after a report at contracting of an agent who does not know the others' current signals.

In a period she knows the action and the others' signals of the one before, as these were reported; they move
independently of hers. So her problem after initial reports is, with F what an action brings her at its price,

.. math:: V(z_i, a', z_{-i}') = \max_r \mathbb{E}\bigl[ F(a, z) + d \, \mathbb{E}[V(\tilde z_i, a, z_{-i}) \mid a, z_i]
    \mid a', z_{-i}' \bigr], \qquad a = a(r, z_{-i}),

over reports r of her signal with the type that she reported at contracting. It is solved by value iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.verification.rounding import UNIT

CLOSE, MAX_SWEEPS = 1e-15, 200_000


def ahead(value: FloatArray, kernels: Sequence[FloatArray]) -> FloatArray:
    """Expected value by action and signals now; axes of values: signals, or action and signals where they have one."""
    moved: FloatArray = value
    if value.ndim == len(kernels):
        moved = np.broadcast_to(value, (len(kernels[0]) if kernels else 1, *value.shape))
    for place, kernel in enumerate(kernels):
        last = np.moveaxis(moved, place + 1, -1)
        product_ = np.einsum("a...l,akl->a...k", last, kernel)
        moved = np.moveaxis(product_, -1, place + 1)
    return moved


def uninformed(
    flow: FloatArray, kernels: Sequence[FloatArray], policy: Any, first: Sequence[FloatArray], d: float
) -> tuple[FloatArray, float]:
    """Value of the best strategy at her first signal, and a bound of its error.

    Parameters
    ----------
    flow : float array ``(action, own signal, *others' signals)``
        What an action brings her at its price.
    kernels : sequence of float arrays ``(action, signal, next)``
        Hers first.
    policy : int array ``(own report, *others' signals)``
    first : sequence of float arrays
        Distributions of the others' first signals.
    d : float
    """
    own, others = kernels[0], kernels[1:]
    still = np.broadcast_to(np.eye(own.shape[1]), own.shape)
    value, change = np.zeros(flow.shape), np.inf

    def by_report(value: FloatArray) -> list[FloatArray]:
        last = np.moveaxis(value, 1, -1)
        total = flow + d * np.moveaxis(np.einsum("a...l,akl->a...k", last, own), -1, 1)
        return [np.take_along_axis(total, actions[None, None], axis=0)[0] for actions in policy]

    for _ in range(MAX_SWEEPS):
        told = [ahead(part, [still, *others]) for part in by_report(value)]
        after = np.max(told, axis=0)
        last, change = change, float(np.abs(after - value).max())
        value = after
        if change <= CLOSE * max(float(np.abs(value).max()), 1e-300) or (change >= last and change < 1e-11):
            break
    depth = 4 * (sum(k.shape[-1] for k in kernels) + 8)
    rounding = depth * UNIT * (float(np.abs(flow).max()) + float(np.abs(value).max()))
    rows = by_report(value)
    for distribution in reversed(first):
        rows = [row @ distribution for row in rows]
    return np.max(rows, axis=0), (change + rounding) / (1 - d)
