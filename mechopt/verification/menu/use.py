"""What the check of a menu finds out of a type and a contract, in floats or fractions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray


class Use(NamedTuple):
    """What a type makes of a contract after contracting, by first signal, as of then; numbers of any kind.

    Attributes
    ----------
    best : array ``(signal,)``
        With the best purchases.
    told : array ``(type, signal)``
        With the purchases that are said of each type.
    later : array ``(signal,)`` or ``(period, signal)``
        ``told`` of her own type, from every period on.
    error : float
        Bound of what these are off by.
    """

    best: Any
    told: Any
    later: Any
    error: float


def prices_by_period(mechanism: Any, c: int) -> list[FloatArray]:
    """Prices of a contract, ``(action,)`` by allocation period; one for ever."""
    price = np.asarray(mechanism.prices[c])
    if mechanism.environment.infinite:
        return [price]
    return list(np.broadcast_to(price, (mechanism.environment.horizon, price.shape[-1])))
