"""Virtual values of a finite distribution, for revenue and for utility, and their ironing.

Types are v_1 < ... < v_K with probabilities f_j and tails P_j = P(v >= v_j); all sums run over the types of positive
probability. Local incentive constraints turn an expectation over mechanisms into one over virtual values:

- revenue, where downward constraints bind and the lowest type has utility 0 (Myerson 1981; Elkind 2007)::

      phi_j = v_j - (v_{j+1} - v_j) P_{j+1} / f_j,          phi_K = v_K

- utility, where payments are at least 0 and upward constraints bind, so that u(v_j) = sum_{l <= j} (v_l - v_{l-1}) x_l
  with v_0 = 0::

      theta_j = (v_j - v_{j-1}) P_j / f_j,                  E theta = E v

Mirrokni, Paes Leme, Tang and Zuo (2020, supplement, footnote 2) print (v_{j+1} - v_j) P_{j+1} / f_j for utility. That
is a continuous formula carried over: in finite types it holds the lowest type at utility 0, which loses utility.

Ironing replaces a virtual value by the slope of the greatest convex minorant of the points (0, 0) and
(F_j, sum_{l <= j} f_l phi_l), at its type; the footnote leaves out (0, 0). For an allocation x that rises with the
type, E[phi x] <= E[ironed phi x], with equality where x is constant on the blocks over which ironing averages, and not
in general: Theorem E.1 of the supplement states the equality for every mechanism.

A type of probability zero gets the limit of its ironed value as its probability vanishes: for revenue the value of the
next lower type that has probability, and -inf below all of these (it buys nothing); for utility the value of the next
higher such type. Above all types that have probability nothing depends on the value, which is that of the highest of
them. Ironed values then rise with the type all the same, so that mechanisms built on them are incentive compatible for
every type.

Everything is computed in exact fractions and rounded once, so equal virtual values are equal floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.reading import check

NEVER = float("-inf")
REMEMBERED = 1024
"""Distributions whose exact numbers and virtual values are kept; auctions are often asked for the same buyers."""


class Distribution(NamedTuple):
    """One buyer's types, exact; both tuples over k, values increasing."""

    values: tuple[Fraction, ...]
    probabilities: tuple[Fraction, ...]


def virtual_values(values: Any, probabilities: Any, ironed: bool = True) -> FloatArray:
    """Virtual values for revenue: what a sale to each type adds to the revenue of a mechanism.

    Parameters
    ----------
    values : sequence over k of numbers
        At least 0 and increasing; money.
    probabilities : sequence over k of numbers
        At least 0, sum to 1; see the module for types of probability zero.
    ironed : bool
        Whether to average over blocks so that the result rises with the type.

    Returns
    -------
    read-only float array ``(K,)``

    Raises
    ------
    InputError
        With every fault of the distribution.

    References
    ----------
    Myerson (1981), section 6; Elkind (2007), "Designing and learning optimal finite support auctions".

    Examples
    --------
    Ironing averages 0 and -1 with weights 1/2 and 1/8:

    >>> virtual_values([1, 2, 3], ["1/2", "1/8", "3/8"], ironed=False)
    array([ 0., -1.,  3.])
    >>> virtual_values([1, 2, 3], ["1/2", "1/8", "3/8"])
    array([-0.2, -0.2,  3. ])
    """
    return revenue_virtual(_checked(values, probabilities), ironed)


def utility_virtual_values(values: Any, probabilities: Any, ironed: bool = True) -> FloatArray:
    """Virtual values for utility: what a sale to each type adds to the buyer's utility, with payments >= 0.

    Parameters
    ----------
    values : sequence over k of numbers
        At least 0 and increasing; money.
    probabilities : sequence over k of numbers
        At least 0, sum to 1; see the module for types of probability zero.
    ironed : bool
        Whether to average over blocks so that the result rises with the type.

    Returns
    -------
    read-only float array ``(K,)``
        At least 0; its expectation is that of the values.

    Raises
    ------
    InputError
        With every fault of the distribution.

    References
    ----------
    Hartline and Roughgarden (2008), "Optimal mechanism design and money burning"; Mirrokni et al. (2020), Theorem E.1,
    with the formula for finite types that the module derives.

    Examples
    --------
    With equal types in equal steps a lottery is as good as any sale:

    >>> utility_virtual_values([1, 2, 3], ["1/3", "1/3", "1/3"], ironed=False)
    array([3., 2., 1.])
    >>> utility_virtual_values([1, 2, 3], ["1/3", "1/3", "1/3"])
    array([2., 2., 2.])
    """
    return utility_virtual(_checked(values, probabilities), ironed)


@lru_cache(REMEMBERED)
def revenue_virtual(distribution: Distribution, ironed: bool = True) -> FloatArray:
    """`virtual_values` of a distribution that is checked already."""
    kept, values, probabilities, tails = _of_positive_probability(distribution)
    phi = [
        v if j + 1 == len(values) else v - (values[j + 1] - v) * tails[j + 1] / probabilities[j]
        for j, v in enumerate(values)
    ]
    numbers = [float(p) for p in (iron(phi, probabilities) if ironed else phi)]
    nearest = _position(kept, len(distribution.values))  # of the kept type at or below each type, -1 for none
    return readonly([numbers[j] if j >= 0 else NEVER for j in nearest])


@lru_cache(REMEMBERED)
def utility_virtual(distribution: Distribution, ironed: bool = True) -> FloatArray:
    """`utility_virtual_values` of a distribution that is checked already."""
    kept, values, probabilities, tails = _of_positive_probability(distribution)
    theta = [(v - (values[j - 1] if j else 0)) * tails[j] / probabilities[j] for j, v in enumerate(values)]
    numbers = [float(p) for p in (iron(theta, probabilities) if ironed else theta)]
    last, types = len(kept) - 1, len(distribution.values)
    below = _position(kept, types)
    nearest = [j if j >= 0 and kept[j] == k else min(j + 1, last) for k, j in enumerate(below)]
    return readonly([numbers[j] for j in nearest])


def iron(numbers: Iterable[Fraction], weights: Iterable[Fraction]) -> list[Fraction]:
    """Slopes of the greatest convex minorant: pool neighbours that fall until the averages rise.

    Parameters
    ----------
    numbers, weights : over k
        Weights positive.

    Examples
    --------
    >>> [str(number) for number in iron(map(Fraction, [3, 1, 4]), map(Fraction, [1, 3, 1]))]
    ['3/2', '3/2', '4']
    """
    blocks: list[tuple[Fraction, Fraction, int]] = []  # sum of weight * number, weight, length
    for number, weight in zip(numbers, weights, strict=True):
        block = (number * weight, weight, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            total, mass, length = blocks.pop()
            block = (total + block[0], mass + block[1], length + block[2])
        blocks.append(block)
    return [total / mass for total, mass, length in blocks for _ in range(length)]


def exact_distribution(values: Any, probabilities: Any) -> tuple[Distribution | None, tuple[Fault, ...]]:
    """Check one distribution; gives None and every fault where there is one. Float arrays are remembered."""
    if all(
        isinstance(part, np.ndarray) and part.dtype == np.float64 and part.ndim == 1 for part in (values, probabilities)
    ):
        return _exact_floats(tuple(values.tolist()), tuple(probabilities.tolist()))
    return _exact(values, probabilities)


@lru_cache(REMEMBERED)
def _exact_floats(
    values: tuple[float, ...], probabilities: tuple[float, ...]
) -> tuple[Distribution | None, tuple[Fault, ...]]:
    return _exact(values, probabilities)


def _exact(values: Any, probabilities: Any) -> tuple[Distribution | None, tuple[Fault, ...]]:
    faults: list[Fault] = []
    exact_values = check.exact_list(values, "values", faults)
    exact_probabilities = check.exact_list(probabilities, "probabilities", faults)
    if exact_values is None or exact_probabilities is None:
        return None, tuple(faults)
    faults += check.distribution_faults(exact_values, exact_probabilities, floats=check.is_float_like(probabilities))
    if faults:
        return None, tuple(faults)
    return Distribution(tuple(exact_values), tuple(exact_probabilities)), ()


def _checked(values: Any, probabilities: Any) -> Distribution:
    distribution, faults = exact_distribution(values, probabilities)
    if distribution is None:
        raise InputError(faults)
    return distribution


def _of_positive_probability(
    distribution: Distribution,
) -> tuple[list[int], list[Fraction], list[Fraction], list[Fraction]]:
    """Indices, values, probabilities and tails P(v >= v_j) of the types that have probability."""
    kept = [k for k, probability in enumerate(distribution.probabilities) if probability > 0]
    probabilities = [distribution.probabilities[k] for k in kept]
    tails = list(accumulate(reversed(probabilities)))[::-1]
    return kept, [distribution.values[k] for k in kept], probabilities, tails


def _position(kept: Sequence[int], types: int) -> list[int]:
    """For each type, which of the kept types is the last at or below it; -1 for none."""
    marks = [0] * types
    for k in kept:
        marks[k] = 1
    return [total - 1 for total in accumulate(marks)]
