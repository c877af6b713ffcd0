"""Exact rationals beside floats, and every tolerance of the library, in one place.

A number in a model file is exact: ``0.1`` is one tenth. A Python float stands for the simplest fraction with a
denominator up to one million that rounds to it, else for its shortest decimal: ``1/3`` is one third, ``0.1`` one tenth.
Every exact number that is accepted rounds to a finite float.
"""

from __future__ import annotations

import math
import numbers
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from mechopt.core.errors import shortened

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

SOLVER_TOLERANCE = 1e-9
"""Primal and dual feasibility tolerance handed to the solver, in units of the largest value."""
BOUND_TOLERANCE = 1e-8
"""Relative width of a bracket that counts as solved."""
VERIFY_TOLERANCE = 1e-8
"""Largest gain of a constraint that is kept, relative to the largest total value that an agent can get."""
EXPECTED_TOLERANCE = 1e-9
"""Relative difference to a model file's ``[expected]`` that ``--check`` accepts."""
NOISE = 1e-12
"""Share of the largest amount beside it below which a printed number is rounding."""
PROBABILITY_TOLERANCE = 1e-12
"""How far floats (never exact numbers) may sum from 1."""
RANGE_WARNING, RANGE_REFUSAL = 1e6, 1e9
"""Ratio of the largest to the smallest coefficient at which a program gets a warning, or is refused unless asked."""

MAX_DIGITS = 60
MAX_EXPONENT = 60
SIMPLE_DENOMINATOR = 10**6

_NUMBER = re.compile(r"[+-]?(\d+)(\.\d+)?([eE][+-]?\d+)?")
_FRACTION = re.compile(r"([+-]?\d+)\s*/\s*(\d+)")


def parse_exact(text: str) -> Fraction:
    """Read an integer, a decimal or a fraction exactly.

    Parameters
    ----------
    text : str
        Such as ``"3"``, ``"0.1"``, ``"1e-3"`` or ``"1/3"``; at most 60 digits and exponents from -60 to 60.

    Raises
    ------
    ValueError
        If the text is not such a number; NaN, infinities and numbers beyond the caps are refused.

    Examples
    --------
    >>> parse_exact("0.1"), parse_exact(" 2/6 ")
    (Fraction(1, 10), Fraction(1, 3))
    """
    text = text.strip()
    shown, text = shortened(text, 40), text.replace("_", "")
    if text.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        raise ValueError(f"{shown} is not a finite number")
    if sum(map(str.isdigit, text)) > MAX_DIGITS:
        raise ValueError(f"{shown} has more than {MAX_DIGITS} digits")
    if fraction := _FRACTION.fullmatch(text):
        if int(fraction[2]) == 0:
            raise ValueError(f"{shown} divides by zero")
        return Fraction(int(fraction[1]), int(fraction[2]))
    number = _NUMBER.fullmatch(text)
    if not number:
        raise ValueError(f'{shown!r} is not a number; write 3, 0.25 or "1/3"')
    if number[3] and abs(int(number[3][1:])) > MAX_EXPONENT:
        raise ValueError(f"{shown} is out of range: exponents go from -{MAX_EXPONENT} to {MAX_EXPONENT}")
    return Fraction(Decimal(text))


def to_exact(value: object) -> Fraction:
    """Turn a Python or numpy number, or text, into the exact rational that it stands for.

    Parameters
    ----------
    value : int, float, Fraction, Decimal, numpy scalar or str
        See the module's docstring for floats.

    Raises
    ------
    ValueError
        If it is not a number, or not finite.

    Examples
    --------
    >>> to_exact(1 / 3), to_exact("1/3"), to_exact(0.1), to_exact(2)
    (Fraction(1, 3), Fraction(1, 3), Fraction(1, 10), Fraction(2, 1))
    """
    if isinstance(value, str):
        return parse_exact(value)
    if isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{value} is not a number")
    if isinstance(value, (numbers.Rational, np.integer)):
        return _within(Fraction(int(value.numerator), int(value.denominator)))
    if isinstance(value, Decimal):
        return parse_exact(str(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"{number} is not a finite number")
        above, below = _simple(number)
        return _within(Fraction(above, below)) if above / below == number else parse_exact(repr(number))
    raise ValueError(f"{shortened(repr(value))} is not a number")


def _within(number: Fraction) -> Fraction:
    """The number, refused where it is larger or finer than what `parse_exact` reads."""
    digits = MAX_DIGITS + MAX_EXPONENT
    if max(abs(number.numerator), number.denominator) > 10**digits:
        raise ValueError(f"an integer or fraction has more than {digits} digits")
    return number


def _simple(number: float) -> tuple[int, int]:
    """The fraction nearest to a float with a denominator up to `SIMPLE_DENOMINATOR`, by its continued fraction.

    As ``Fraction(number).limit_denominator(SIMPLE_DENOMINATOR)`` finds it, without making fractions on the way.
    """
    numerator, denominator = number.as_integer_ratio()
    if denominator <= SIMPLE_DENOMINATOR:
        return numerator, denominator
    above, below = numerator, denominator
    p0, q0, p1, q1 = 0, 1, 1, 0
    while (q2 := q0 + above // below * q1) <= SIMPLE_DENOMINATOR:
        whole = above // below
        p0, q0, p1, q1 = p1, q1, p0 + whole * p1, q2
        above, below = below, above - whole * below
    steps = (SIMPLE_DENOMINATOR - q0) // q1
    # of the last convergent and the last one in between, the nearer
    return (p1, q1) if 2 * below * (q0 + steps * q1) <= denominator else (p0 + steps * p1, q0 + steps * q1)


def without_noise(value: float, scale: float = 1.0) -> float:
    """Zero where a number is what rounding leaves of numbers of a size, else the number; never a negative zero.

    Examples
    --------
    >>> without_noise(-3.55e-15), without_noise(-0.0), without_noise(1e-9)
    (0.0, 0.0, 1e-09)
    """
    return 0.0 if abs(value) <= NOISE * scale else value


def readonly(values: Any, dtype: Any = np.float64) -> Array:
    """Copy into a C-ordered array that cannot be written to.

    Examples
    --------
    >>> readonly([1, 2]).flags.writeable
    False
    """
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def object_array(values: Any) -> Array:
    """One-dimensional array of Python objects, so that fractions go through the same arithmetic as floats."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def recognise(value: float, digits: float = 1e-12, limit: int = 10**5) -> Fraction | None:
    """Name the simple fraction within rounding of a float, or None; a guess for display, never a proof.

    Examples
    --------
    >>> recognise(4.78125)
    Fraction(153, 32)
    >>> recognise(2**0.5) is None
    True
    """
    if not math.isfinite(value):
        return None
    simple, tolerance = Fraction(value).limit_denominator(limit), digits * max(1.0, abs(value))
    likely = simple.denominator**2 * tolerance <= 1e-3  # else such a fraction lies near every number
    return simple if likely and abs(float(simple) - value) <= tolerance else None
