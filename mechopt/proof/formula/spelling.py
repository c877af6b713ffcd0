"""How files of formulas spell polynomials, ends of intervals and constraints on payments; one spelling each."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.functions import RationalFunction
from mechopt.core.polynomials import Polynomial
from mechopt.mechanism.payments import AMOUNTS, PaymentConstraint, amounts_of, payment_named


def payment_content(constraint: PaymentConstraint) -> dict[str, Any]:
    """A constraint on payments: its name, and its amounts as functions where it has any."""
    amounts = [RationalFunction.of(amount) for amount in amounts_of(constraint)]
    if not amounts:
        return {"name": constraint.name}
    listed = [{"numerator": texts(f.numerator), "denominator": texts(f.denominator)} for f in amounts]
    return {"name": constraint.name.partition(":")[0], "amounts": listed}


def payment(given: Mapping[str, Any]) -> PaymentConstraint:
    """A constraint on payments from what a file says."""
    if "amounts" not in given:
        return payment_named(given["name"])
    amounts = [
        RationalFunction(read_polynomial(f["numerator"]), read_polynomial(f["denominator"])) for f in given["amounts"]
    ]
    constants = [function.constant for function in amounts]
    return AMOUNTS[given["name"]]([f if c is None else c for f, c in zip(amounts, constants, strict=True)])


def texts(polynomial: Polynomial) -> list[str]:
    """Coefficients from the constant up."""
    return [str(x) for x in polynomial]


def ends_content(start: AlgebraicNumber, stop: AlgebraicNumber) -> dict[str, Any]:
    """An interval."""
    return {"from": end_content(start), "to": end_content(stop)}


WIDTH = Fraction(1, 1 << 40)
"""Of the brackets of numbers that are not rational."""


def end_content(end: AlgebraicNumber) -> dict[str, Any]:
    """An end as files have it: a bracket that depends on the number alone."""
    exact = end.exact
    if exact is not None:
        return {"polynomial": texts(end.polynomial), "root": end.index, "bracket": [str(exact), str(exact)]}
    while True:  # whatever the number was narrowed to before
        floor = end.lower // WIDTH * WIDTH
        if end.upper <= floor + WIDTH:
            bracket = [str(floor), str(floor + WIDTH)]
            return {"polynomial": texts(end.polynomial), "root": end.index, "bracket": bracket}
        end.narrow()


def closed_ends(given: Any) -> tuple[bool, bool]:
    """Whether ends are included."""
    start, stop = given
    if not isinstance(start, bool) or not isinstance(stop, bool):
        raise ValueError("closed is not a pair of truth values")
    return start, stop


def read_polynomial(given: Any) -> Polynomial:
    """Inverse of `texts`; refuses another spelling."""
    if not isinstance(given, list) or not all(isinstance(x, str) for x in given):
        raise ValueError("a polynomial is not a list of texts")
    coefficients = tuple(int(x) for x in given)
    if coefficients and coefficients[-1] == 0:
        raise ValueError("a polynomial ends with a zero")
    return coefficients


def read_function(given: Mapping[str, Any]) -> RationalFunction:
    """A function from its numerator and denominator."""
    return RationalFunction(read_polynomial(given["numerator"]), read_polynomial(given["denominator"]))


def read_end(given: Mapping[str, Any]) -> AlgebraicNumber:
    """Inverse of `end_content`."""
    lower, upper = (Fraction(end) for end in given["bracket"])
    polynomial = read_polynomial(given["polynomial"])
    if len(polynomial) < 2 or type(given["root"]) is not int:
        raise ValueError("an end is not a root of a polynomial")
    if lower != upper and (upper - lower != WIDTH or lower % WIDTH):
        raise ValueError("a bracket is neither a number nor one step of 2^-40")
    return AlgebraicNumber(polynomial, given["root"], lower, upper)
