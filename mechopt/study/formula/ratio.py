"""Closed-form mechanisms as functions of a parameter, and their exact worst share of the optimum.

A closed form is computed once with functions for numbers, at a point that gives every comparison its outcome; the
result holds as far as no comparison comes out differently. So a closed form has pieces too. On each piece the share of
the optimum is a rational function: it is least at an end or where its derivative vanishes, and candidates are compared
as algebraic numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from mechopt.closedform.functions import REVENUES, SEPARABLE_REVENUES
from mechopt.closedform.surplus import persistent_first_best
from mechopt.closedform.virtual.functions import Separable
from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.errors import InputError, MechoptError
from mechopt.core.functions import RationalFunction, compared_at
from mechopt.core.polynomials import derivative, minus, sign, times
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.parametric import OPTIONAL, ParametricModel, with_exact
from mechopt.solve.parametric.pieces import Piece
from mechopt.solve.parametric.roots import roots_of, value_at
from mechopt.solve.parametric.walk import RETRIES, point_between


@dataclass(frozen=True)
class Share:
    """An interval on which a mechanism's share of the optimum is one rational function.

    Attributes
    ----------
    start, stop : AlgebraicNumber
    revenue, function : RationalFunction
        Of the mechanism, and its share of the optimum.
    """

    start: AlgebraicNumber
    stop: AlgebraicNumber
    revenue: RationalFunction
    function: RationalFunction


@dataclass(frozen=True)
class Ratio:
    """A closed form's share of the optimum as a function of the parameter.

    Attributes
    ----------
    name : str
    pieces : tuple of Share
    minimum : AlgebraicNumber
        The exact infimum over the interval.
    at : tuple of AlgebraicNumber
        Where; several where they tie.
    attained : bool
        Whether it is attained inside the interval; else it is the limit at its end.
    equal : tuple of (AlgebraicNumber, AlgebraicNumber)
        Where the mechanism is optimal.
    """

    name: str
    pieces: tuple[Share, ...]
    minimum: AlgebraicNumber
    at: tuple[AlgebraicNumber, ...]
    attained: bool
    equal: tuple[tuple[AlgebraicNumber, AlgebraicNumber], ...]

    def value(self, p: Fraction | int) -> Fraction:
        """Share at a point."""
        point = AlgebraicNumber.rational(p)
        piece = next(s for s in self.pieces if not point < s.start and not s.stop < point)
        return piece.function(p)


def closed_form(model: ParametricModel, name: str) -> tuple[Piece, ...]:
    """Revenue of a closed form as a piecewise function, on the whole interval.

    Parameters
    ----------
    model : ParametricModel
        With types independent across periods, or separable.
    name : str
        Of `mechopt.closedform.functions.REVENUES` or ``SEPARABLE_REVENUES``.

    Raises
    ------
    InputError
        If there is no such closed form for this model, or on a part of the interval.
    """
    run = revenue_function(model, name)
    pieces = piecewise(lambda: RationalFunction.of(run()), model.start, model.stop, model.parameter)
    return tuple(Piece(a, b, function, (True, True), 1, model.parameter) for a, b, function in pieces)


def revenue_function(model: ParametricModel, name: str) -> Callable[[], Any]:
    """A closed form's revenue as a function for numbers of any kind.

    Raises
    ------
    InputError
        If there is no such closed form for this model.
    """
    if name in SEPARABLE_REVENUES:
        traced = separable_numbers(model, name, ironed=name != "virtual-pivot")
        return lambda: SEPARABLE_REVENUES[name](replace(traced))  # a copy: what it has computed depends on the point
    if name not in REVENUES:
        known = ", ".join([*REVENUES, *SEPARABLE_REVENUES])
        raise InputError(f"{name!r} is not known as a function; known: {known}")
    if name == "first-best" and isinstance(model.middle, (MarkovTypes, InterdependentTypes)):
        _require_plain(model.exact, name, besides=("seller_values",))
        environment = with_exact(model.middle, model.exact)
        return lambda: persistent_first_best(environment)
    if not isinstance(model.middle, IndependentTypes):
        raise InputError(f"{name} is for types that are independent across periods; the model is {model.middle.kind}")
    _require_plain(model.exact, name)
    return lambda: REVENUES[name](model.exact)


def _require_plain(exact: Any, name: str, besides: tuple[str, ...] = ()) -> None:
    parts = [words for words in OPTIONAL if words not in besides and getattr(exact, words, None) is not None]
    beside = [words.replace("_", " ") for words in parts]
    if beside:
        raise InputError(f"{name} is not known as a function where the model has {' and '.join(beside)}")


def separable_numbers(model: ParametricModel, name: str, ironed: bool = False) -> Separable:
    """A separable model's functions, as the virtual pivot takes them; ``ironed``: whether virtual levels are.

    Raises
    ------
    InputError
        If the model is not separable, or not in a form that the theorem is about.
    """
    origin = model.origin
    if origin is None:
        raise InputError(f"{name} is for kind 'separable'; the model is {model.middle.kind}")
    if not origin.separable or isinstance(origin.horizon, str):
        raise InputError(f"{name} needs values in multiplicative or additive form, and signals that are not correlated")
    _require_plain(origin.exact, name)
    assert origin.exact is not None
    return Separable(origin.exact, tuple(form == "multiplicative" for form in origin.form), origin.horizon, ironed)


def piecewise(
    run: Callable[[], Any], start: Fraction, stop: Fraction, parameter: str = "p"
) -> list[tuple[AlgebraicNumber, AlgebraicNumber, Any]]:
    """Cover an interval with the results of a computation whose comparisons come out alike; equal neighbours as one."""
    open_ = [(AlgebraicNumber.rational(start), AlgebraicNumber.rational(stop))]
    found: list[tuple[AlgebraicNumber, AlgebraicNumber, Any]] = []
    while open_:
        lower, upper = open_.pop()
        below, above, result = _around(run, lower, upper, parameter)
        found.append((below, above, result))
        open_ += [part for part in ((lower, below), (above, upper)) if part[0] < part[1]]
    found.sort(key=lambda piece: piece[0])
    merged = found[:1]
    for piece in found[1:]:
        if merged[-1][2] == piece[2]:
            merged[-1] = merged[-1][0], piece[1], piece[2]
        else:
            merged.append(piece)
    return merged


def _around(
    run: Callable[[], Any], lower: AlgebraicNumber, upper: AlgebraicNumber, parameter: str
) -> tuple[AlgebraicNumber, AlgebraicNumber, Any]:
    for attempt in range(RETRIES):
        point = point_between(lower, upper, attempt)
        try:
            with compared_at(point) as comparisons:
                result = run()
        except InputError as error:
            raise InputError(f"{error}, at {parameter} = {point}") from None
        polynomials = [polynomial for polynomial in comparisons.polynomials if len(polynomial) > 1]
        if any(sign(polynomial, point) == 0 for polynomial in polynomials):
            continue
        roots = [root for polynomial in polynomials for root in roots_of(polynomial)]
        below = max([lower, *(root for root in roots if root < point)])
        return below, min([upper, *(root for root in roots if not root < point)]), result
    raise MechoptError(f"no point between {lower!r} and {upper!r} is generic")


def ratio(
    model: ParametricModel,
    name: str,
    optimum: tuple[Piece, ...],
    apart: Sequence[AlgebraicNumber] = (),
    points: Mapping[Fraction, Fraction] | None = None,
) -> Ratio:
    """Share of the optimum that a closed form earns, its exact infimum, and where it is optimal.

    Parameters
    ----------
    model : ParametricModel
    name : str
    optimum : tuple of Piece
        Of a complete formula.
    apart : sequence of AlgebraicNumber
        Ends that no piece includes, where the optimum may jump.
    points : mapping, optional
        The optimum at those of them where it is known.

    Raises
    ------
    InputError
        If the optimum is zero on a piece, or not known on the whole interval.
    """
    start, stop = AlgebraicNumber.rational(model.start), AlgebraicNumber.rational(model.stop)
    complete = optimum and optimum[0].start == start and optimum[-1].stop == stop
    if not complete or any(a.stop != b.start for a, b in pairwise(optimum)):
        raise InputError("the optimum is not known on the whole interval; give it more time")
    if any(not piece.function for piece in optimum):
        raise InputError("the optimum is zero on a part of the interval: no share of it is defined")
    shares = []
    for left, right, closed, best in overlaps(closed_form(model, name), optimum):
        shares.append(Share(left, right, closed, closed / best))
    least, places = least_value([(s.start, s.stop, s.function) for s in shares])
    attained = any(start < place < stop and place not in apart for place in places)
    for point, value in (points or {}).items():
        here = AlgebraicNumber.rational(point)
        earned = next(s.revenue for s in shares if not here < s.start and not s.stop < here)(point)
        if value and AlgebraicNumber.rational(earned / value) < least:
            least, places, attained = AlgebraicNumber.rational(earned / value), (here,), True
    equal = _joined([(s.start, s.stop) for s in shares if s.function == 1], apart)
    return Ratio(name, tuple(shares), least, places, attained, equal)


def where_equal(
    model: ParametricModel, name: str, optimum: tuple[Piece, ...], apart: Sequence[AlgebraicNumber] = ()
) -> tuple[tuple[AlgebraicNumber, AlgebraicNumber], ...]:
    """Intervals on which a closed form earns the optimum, or on which this is the first best.

    Parameters
    ----------
    model : ParametricModel
    name : str
    optimum : tuple of Piece
    apart : sequence of AlgebraicNumber
        Ends that no piece includes, where the optimum may jump: intervals end there, and do not include them.
    """
    found = overlaps(closed_form(model, name), optimum)
    return _joined([(start, stop) for start, stop, closed, best in found if closed == best], apart)


def overlaps(
    first: tuple[Piece, ...], second: tuple[Piece, ...]
) -> list[tuple[AlgebraicNumber, AlgebraicNumber, RationalFunction, RationalFunction]]:
    """Intervals on which both have one function."""
    found = []
    for a in first:
        for b in second:
            left, right = max(a.start, b.start), min(a.stop, b.stop)
            if left < right:
                found.append((left, right, a.function, b.function))
    return found


def least_value(
    pieces: Sequence[tuple[AlgebraicNumber, AlgebraicNumber, RationalFunction]],
) -> tuple[AlgebraicNumber, tuple[AlgebraicNumber, ...]]:
    """The least value of a piecewise function over its closed pieces, and where it is taken."""
    best: AlgebraicNumber | None = None
    places: list[AlgebraicNumber] = []
    for start, stop, function in pieces:
        n, d = function.numerator, function.denominator
        slope = minus(times(derivative(n), d), times(n, derivative(d)))
        inside = [root for root in roots_of(slope) if start < root < stop] if len(slope) > 1 else []
        for place in (start, *inside, stop):
            value = value_at(function, place)
            if best is None or value < best:
                best, places = value, [place]
            elif value == best and place not in places:
                places.append(place)
    assert best is not None
    return best, tuple(places)


def _joined(
    intervals: list[tuple[AlgebraicNumber, AlgebraicNumber]], apart: Sequence[AlgebraicNumber] = ()
) -> tuple[tuple[AlgebraicNumber, AlgebraicNumber], ...]:
    joined: list[tuple[AlgebraicNumber, AlgebraicNumber]] = []
    for start, stop in sorted(intervals):
        if joined and joined[-1][1] == start and start not in apart:
            joined[-1] = joined[-1][0], stop
        else:
            joined.append((start, stop))
    return tuple(joined)
