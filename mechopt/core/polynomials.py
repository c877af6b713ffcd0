"""Polynomials in one variable with integer coefficients, in plain Python: arithmetic, gcd and Sturm's theorem.

A polynomial is a tuple of coefficients from the constant up, without zeros at the end; ``()`` is zero. What is read
from model files and what checks a proof computes with these, and with nothing faster, so that both can be read.
Source: Basu, Pollack and Roy (2006), theorems 2.50 (Sturm) and 8.20 (signed remainders).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import gcd

Polynomial = tuple[int, ...]
ONE: Polynomial = (1,)


def trimmed(coefficients: Iterable[int]) -> Polynomial:
    """Drop the zeros at the end."""
    kept = list(coefficients)
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)


def plus(a: Polynomial, b: Polynomial) -> Polynomial:
    """Sum of two polynomials."""
    if len(a) < len(b):
        a, b = b, a
    return trimmed([x + y for x, y in zip(a, b, strict=False)] + list(a[len(b) :]))


def negative(a: Polynomial) -> Polynomial:
    """The polynomial times -1."""
    return tuple(-x for x in a)


def minus(a: Polynomial, b: Polynomial) -> Polynomial:
    """Difference of two polynomials."""
    return plus(a, negative(b))


def times(a: Polynomial, b: Polynomial) -> Polynomial:
    """Product of two polynomials.

    Examples
    --------
    >>> times((1, -1), (1, 1))
    (1, 0, -1)
    """
    if not a or not b:
        return ()
    if len(a) < len(b):
        a, b = b, a
    if len(b) == 1:
        factor = b[0]
        return a if factor == 1 else tuple(x * factor for x in a)
    product = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(b):
        if x:
            for j, y in enumerate(a, i):
                product[j] += x * y
    return tuple(product)


def power(a: Polynomial, exponent: int) -> Polynomial:
    """The polynomial to a power of at least 0."""
    result = ONE
    for _ in range(exponent):
        result = times(result, a)
    return result


def derivative(a: Polynomial) -> Polynomial:
    """Derivative of a polynomial."""
    return tuple(k * x for k, x in enumerate(a))[1:]


def primitive(a: Polynomial) -> Polynomial:
    """Divide by the gcd of the coefficients, which is positive: signs stay."""
    content = gcd(*a) if a else 1
    return a if content == 1 else tuple(x // content for x in a)


def value(a: Polynomial, at: Fraction) -> Fraction:
    """Value at a rational."""
    return Fraction(_scaled(a, at.numerator, at.denominator), at.denominator ** max(len(a) - 1, 0))


def sign(a: Polynomial, at: Fraction) -> int:
    """Sign at a rational: -1, 0 or 1."""
    number = _scaled(a, at.numerator, at.denominator)
    return (number > 0) - (number < 0)


def _scaled(a: Polynomial, n: int, d: int) -> int:
    """Value at n/d times d to the degree."""
    total, scale = 0, 1
    for x in reversed(a):
        total = total * n + x * scale
        scale *= d
    return total


def remainder(a: Polynomial, b: Polynomial) -> Polynomial:
    """Remainder of a divided by b, times a positive integer, primitive."""
    lead, degree = b[-1], len(b) - 1
    rest = list(a)
    while len(rest) > degree:
        top = rest[-1]
        common = gcd(top, lead)
        factor, times_b = abs(lead) // common, (top if lead > 0 else -top) // common
        shift = len(rest) - len(b)
        for k in range(len(rest) - 1):
            rest[k] *= factor
        for k, x in enumerate(b[:-1], shift):
            rest[k] -= times_b * x
        rest.pop()
        while rest and not rest[-1]:
            rest.pop()
    return primitive(tuple(rest))


def quotient(a: Polynomial, b: Polynomial) -> Polynomial:
    """Quotient where b divides a, up to a positive rational factor: primitive, of the true sign."""
    rest, found = [Fraction(x) for x in a], list[Fraction]()
    while len(rest) >= len(b):
        factor = rest[-1] / b[-1]
        found.append(factor)
        for k, x in enumerate(b, len(rest) - len(b)):
            rest[k] -= factor * x
        rest.pop()
    if any(rest):
        raise ArithmeticError("the polynomial does not divide")
    common = 1
    for number in found:
        common = common * number.denominator // gcd(common, number.denominator)
    return primitive(tuple(int(number * common) for number in reversed(found)))


def common_divisor(a: Polynomial, b: Polynomial) -> Polynomial:
    """Greatest common divisor, primitive, its leading coefficient positive; that of two zeros is zero.

    Examples
    --------
    >>> common_divisor((-1, 0, 1), (2, -4, 2))
    (-1, 1)
    """
    a, b = primitive(a), primitive(b)
    while b:
        if len(b) == 1:
            return ONE
        a, b = b, (remainder(a, b) if len(a) >= len(b) else a)
    return negative(a) if a and a[-1] < 0 else a


@lru_cache(maxsize=20_000)
def sturm_chain(a: Polynomial) -> tuple[Polynomial, ...]:
    """Signed remainders of a polynomial and its derivative."""
    chain = [primitive(a), primitive(derivative(a))]
    while chain[-1]:
        chain.append(negative(remainder(chain[-2], chain[-1])))
    return tuple(chain[:-1])


def _variations(chain: tuple[Polynomial, ...], at: Fraction) -> int:
    signs = [s for s in (sign(a, at) for a in chain) if s]
    return sum(x != y for x, y in pairwise(signs))


def roots_between(a: Polynomial, lower: Fraction, upper: Fraction) -> int:
    """Number of distinct real roots x with lower < x <= upper, by Sturm's theorem; the polynomial is not zero.

    Examples
    --------
    >>> roots_between((-2, 0, 1), Fraction(0), Fraction(2))
    1
    """
    if len(a) <= 1 or lower >= upper:
        return 0
    a = square_free(a)
    chain = sturm_chain(a)
    return _variations(chain, lower) - _variations(chain, upper)


def square_free(a: Polynomial) -> Polynomial:
    """The product of the distinct irreducible factors, its sign that of the polynomial's leading coefficient."""
    twice = common_divisor(a, derivative(a))
    return primitive(a) if len(twice) <= 1 else quotient(a, twice)


def odd_part(a: Polynomial) -> Polynomial:
    """The product of the irreducible factors of odd multiplicity: where it changes its sign, so does the polynomial."""
    odd, rest, multiplicity = ONE, primitive(a), 1
    while len(rest) > 1:
        once_more = common_divisor(rest, derivative(rest))  # multiplicities less one
        distinct = quotient(rest, once_more) if len(once_more) > 1 else rest
        later = square_free(once_more) if len(once_more) > 1 else ONE
        exactly = quotient(distinct, later) if len(later) > 1 else distinct
        if multiplicity % 2:
            odd = times(odd, exactly)
        rest, multiplicity = once_more, multiplicity + 1
    return odd


def root_bound(a: Polynomial) -> Fraction:
    """A number that is larger than the size of every root (Cauchy)."""
    return 1 + max((Fraction(abs(x), abs(a[-1])) for x in a[:-1]), default=Fraction(0))


def polynomial_text(a: Polynomial, name: str = "p", rising: bool = False, latex: bool = False) -> str:
    """A polynomial as one reads it, highest power first, or constant first where ``rising``.

    Examples
    --------
    >>> polynomial_text((1, -3, 1))
    'p^2 - 3 p + 1'
    """
    terms = [(k, x) for k, x in enumerate(a) if x]
    if not terms:
        return "0"
    terms = terms if rising and terms[0][1] > 0 else terms[::-1]
    text = ""
    for k, x in terms:
        raised = f"{name}^{{{k}}}" if latex and k > 9 else f"{name}^{k}" if k > 1 else name if k else ""
        size = "" if abs(x) == 1 and k else str(abs(x))
        joint = " - " if x < 0 else " + "
        if not text:
            joint = "-" if x < 0 else ""
        text += f"{joint}{size}{' ' * bool(size and raised)}{raised}"
    return text
