r"""Values of strategies for ever after a report at contracting, and bounds of their errors.

Of an agent who knows the others' current signals it is the program of `mechopt.verification.virtual`. One who does not
knows in a period the action and the others' signals of the one before, as these were reported; they move independently
of hers. So her problem after initial reports is, with F what an action brings her at its price,

.. math:: V(z_i, a', z_{-i}') = \max_r \mathbb{E}\bigl[ F(a, z) + d \, \mathbb{E}[V(\tilde z_i, a, z_{-i}) \mid a, z_i]
    \mid a', z_{-i}' \bigr], \qquad a = a(r, z_{-i}),

over reports r of her signal with the type that she reported at contracting.

All are solved by sweeps until these come no closer and are apart by rounding alone. A sweep shrinks what is between two
values by d at least, so that the last one is off by no more than its change and its rounding over 1 - d, however the
search ended. The rounding is that of `mechopt.verification.rounding`, with magnitudes taken at their largest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray
from mechopt.verification.rounding import Precision, lasting_error

MAX_SWEEPS = 200_000


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


def size_of(table: FloatArray) -> float:
    """Largest entry in absolute value."""
    return float(np.abs(table).max())


def require_same(what: str, found: FloatArray, formula: FloatArray, within: float) -> None:
    """Refuse payments that are not those which a check computes.

    Raises
    ------
    InputError
    """
    if not (np.abs(found - formula) <= within).all():
        raise InputError(f"{what} are not those of the virtual pivot; build it with mo.virtual_pivot")


def informed(
    flow: FloatArray, size: float, kernels: Sequence[FloatArray], d: float, policy: Any = None
) -> tuple[FloatArray, float]:
    """Value of the best actions, or of those of a policy, by signals, and a bound of its error.

    Parameters
    ----------
    flow : float array ``(action, *signals)``
        What an action brings; minus infinity where it cannot be taken.
    size : float
        Its largest magnitude.
    kernels : sequence of float arrays ``(action, signal, next)``
    d : float
    policy : int array ``(*signals,)``, optional
    """

    def sweep(value: FloatArray) -> FloatArray:
        total = flow + d * ahead(value, kernels)
        if policy is None:
            best: FloatArray = total.max(axis=0)
            return best
        followed: FloatArray = np.take_along_axis(total, policy[None], axis=0)[0]
        return followed

    return _settled(sweep, flow.shape[1:], size, kernels, d)


def uninformed(
    flow: FloatArray, size: float, kernels: Sequence[FloatArray], policy: Any, first: Sequence[FloatArray], d: float
) -> tuple[FloatArray, float]:
    """Value of the best strategy at her first signal, and a bound of its error.

    Parameters
    ----------
    flow : float array ``(action, own signal, *others' signals)``
        What an action brings her at its price.
    size : float
        Its largest magnitude.
    kernels : sequence of float arrays ``(action, signal, next)``
        Hers first.
    policy : int array ``(own report, *others' signals)``
    first : sequence of float arrays
        Distributions of the others' first signals.
    d : float
    """
    own, others = kernels[0], kernels[1:]
    still = np.broadcast_to(np.eye(len(policy)), own.shape)

    def by_report(value: FloatArray) -> list[FloatArray]:
        last = np.moveaxis(value, 1, -1)
        total = flow + d * np.moveaxis(np.einsum("a...l,akl->a...k", last, own), -1, 1)
        return [np.take_along_axis(total, actions[None, None], axis=0)[0] for actions in policy]

    def sweep(value: FloatArray) -> FloatArray:
        best: FloatArray = np.max([ahead(part, [still, *others]) for part in by_report(value)], axis=0)
        return best

    value, error = _settled(sweep, flow.shape, size, kernels, d)
    rows = by_report(value)
    for distribution in reversed(first):
        rows = [row @ distribution for row in rows]
    return np.max(rows, axis=0), error


def _settled(
    sweep: Callable[[FloatArray], FloatArray],
    shape: Sequence[int],
    size: float,
    kernels: Sequence[FloatArray],
    d: float,
) -> tuple[FloatArray, float]:
    """The value that a sweep does not change, and what it may be off by."""
    value, change, rounding = np.zeros(shape), np.inf, np.inf
    for _ in range(MAX_SWEEPS):
        after = sweep(value)
        last, change = change, size_of(after - value)
        value, largest = after, size + size_of(after)
        rounding = float(Precision.of(depth_of(kernels), largest).bound(np.asarray(largest)))
        if not (change < last or change > rounding):
            break
    return value, lasting_error(change + rounding, d)


def depth_of(kernels: Sequence[FloatArray]) -> int:
    """Roundings that a term takes part in at most, from the numbers of the environment to a value of a sweep.

    Twice an average over the signals of each (in the price and of it); and the value, weight, shift and cost, the sums
    and quotient of the price, and the discount.
    """
    return 16 + 2 * sum(len(kernel[0]) + 2 for kernel in kernels)
