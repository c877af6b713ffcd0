"""A model whose numbers are functions of one parameter on an interval.

Inside the interval no probability becomes zero, no two values cross and no discount leaves its range unless it does so
identically: then which rows a program has is the same for every value of the parameter there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.core.algebraic import AlgebraicNumber, real_roots
from mechopt.core.errors import Fault, InputError
from mechopt.core.functions import RationalFunction, interpolated
from mechopt.core.polynomials import Polynomial, common_divisor, derivative, quotient, roots_between, sign
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.environment import PublicStates

OPTIONAL = "seller_values", "slots", "outside", "discounts"
"""Numbers that an environment may be without."""
Environment = IndependentTypes | MarkovTypes | InterdependentTypes


@dataclass(frozen=True, eq=False, repr=False)
class ParametricModel:
    """A model with one parameter.

    Attributes
    ----------
    parameter : str
        Its name.
    start, stop : Fraction
        Ends of its interval; what is claimed holds inside, and at an end only where that is said.
    at : callable
        Environment at a value of the parameter; a separable one is unfolded.
    exact : the layout of ``environment.exact``
        With functions of the parameter for fractions.
    point : Fraction
        One inside.
    origin : SeparableTypes or None
        What was unfolded, its ``exact`` numbers functions of the parameter.

    Examples
    --------
    >>> from mechopt.formats import loads_parametric
    >>> model = loads_parametric('''
    ... kind = "independent"
    ... horizon = 2
    ... [parameters]
    ... p = ["0", "1"]
    ... [[buyers]]
    ... values = [1, 2]
    ... probabilities = ["1 - p", "p"]
    ... ''')
    >>> model
    ParametricModel(independent, p from 0 to 1)
    >>> model.exact.probabilities[0][0]
    (1 - p, p)
    """

    parameter: str
    start: Fraction
    stop: Fraction
    at: Callable[[Fraction], Environment]
    exact: Any
    point: Fraction
    origin: SeparableTypes | None = None

    @cached_property
    def middle(self) -> Environment:
        """The environment at a point inside: what does not depend on the parameter can be read from it."""
        return self.at(self.point)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the numbers as functions, the parameter and its interval; and of what has no numbers."""
        environment = self.middle
        numbers = [str(RationalFunction.of(number)) for number in leaves(self.exact)]
        named: list[Any] = [type(environment).kind, self.parameter, str(self.start), str(self.stop)]
        if isinstance(environment, IndependentTypes):
            named.append(environment.shape)
        else:
            named += [environment.actions, environment.types, environment.names, environment.horizon, environment.shape]
        beside = [name for name in OPTIONAL if getattr(self.exact, name, None) is not None]
        if beside:  # their numbers stand in one list with the others
            named.append(beside)
        if isinstance(environment, PublicStates):
            named.append([flags.tolist() for flags in environment.forbidden])
            named.append([[tags.tolist() for tags in row] for row in environment.public])
        return hashlib.sha256(json.dumps([named, numbers]).encode()).hexdigest()

    def crossing(self, where: str, function: Any) -> list[Fault]:
        """The first place inside the interval where a function vanishes or has a pole."""
        function = RationalFunction.of(function)
        for polynomial in (function.numerator, function.denominator):
            root = root_inside(polynomial, self.start, self.stop)
            if root is not None:
                place = root.exact if root.exact is not None else f"about {float(root):.6g}"
                name = where if "cross" in where else f"{where}, {function.text(self.parameter)}, becomes 0"
                fix = f"let the interval of {self.parameter} end there"
                return [Fault(f"parameters.{self.parameter}", f"{name} at {self.parameter} = {place}", fix)]
        return []

    def __repr__(self) -> str:
        return f"ParametricModel({self.middle.kind}, {self.parameter} from {self.start} to {self.stop})"


def parametric_model(
    parameter: str,
    start: Fraction,
    stop: Fraction,
    at: Callable[[Fraction], Environment],
    degree: int,
) -> ParametricModel:
    """Find the numbers of a model as functions of its parameter, and check them on the interval.

    Parameters
    ----------
    parameter : str
    start, stop : Fraction
    at : callable
        Environment at a value of the parameter.
    degree : int
        Largest degree that a number of the environment can have, those of numerator and denominator together: its
        numbers are then determined by ``2 * degree + 3`` of their values, and two are left to contradict.

    Raises
    ------
    InputError
        If the model is wrong on a part of the interval, with the place where it becomes so.
    """
    lower, upper, failure = _where_valid(at, start, stop)
    exact = functions_of(at, lower, upper, degree)
    model = ParametricModel(parameter, start, stop, at, exact, inside(lower, upper))
    faults = [fault for where, function in _signed(model) for fault in model.crossing(where, function)]
    if failure is not None:
        raise InputError(faults) if faults else failure
    if faults:
        raise InputError(faults)
    return model


def _where_valid(
    at: Callable[[Fraction], Environment], start: Fraction, stop: Fraction
) -> tuple[Fraction, Fraction, InputError | None]:
    """The interval, or a part of it where the model can be read, with what is wrong elsewhere."""
    failure: InputError | None = None
    for pieces in (1, 3, 8, 20):
        width = (stop - start) / pieces
        for k in range(pieces):
            lower, upper = start + k * width, start + (k + 1) * width
            try:
                for point in points_inside(lower, upper, 7):
                    if at(point).exact is None:
                        raise InputError("the model has floats that are not exact: write them as texts")
            except InputError as error:
                failure = failure or error
                continue
            return lower, upper, failure
    assert failure is not None
    raise failure


def functions_of(at: Callable[[Fraction], Any], start: Fraction, stop: Fraction, degree: int) -> Any:
    """Exact numbers of an environment as functions, by interpolation; see `parametric_model`."""
    points = points_inside(start, stop, max(2 * degree + 3, 6))
    exact = [at(point).exact for point in points]
    table = list(zip(*(list(leaves(part)) for part in exact), strict=True))
    known = {row: interpolated(points, row) for row in set(table)}
    if None in known.values():
        raise InputError("a number of the model is not a rational function of the parameter on the interval")
    numbers = iter([known[row] for row in table])
    return rebuilt(exact[0], lambda _: next(numbers))


def leaves(exact: Any) -> Iterator[Any]:
    """All numbers of nested tuples and arrays, in order."""
    if isinstance(exact, (tuple, list)):
        for entry in exact:
            yield from leaves(entry)
    elif isinstance(exact, np.ndarray):
        yield from exact.ravel().tolist()
    elif exact is not None:
        yield exact


def rebuilt(exact: Any, number: Callable[[Any], Any]) -> Any:
    """The same nested tuples and arrays with other numbers."""
    if isinstance(exact, tuple):
        parts = [rebuilt(entry, number) for entry in exact]
        return type(exact)(*parts) if hasattr(exact, "_fields") else tuple(parts)
    if isinstance(exact, np.ndarray):
        array = np.empty(exact.shape, dtype=object)
        array.ravel()[:] = [number(entry) for entry in exact.ravel().tolist()]
        return array
    return None if exact is None else number(exact)


def points_inside(start: Fraction, stop: Fraction, count: int) -> list[Fraction]:
    """Points strictly inside an interval, none of them a fraction as simple as where things happen."""
    return [start + (stop - start) * Fraction(1009 * k - 499, 1009 * count + 13) for k in range(1, count + 1)]


def inside(start: Fraction, stop: Fraction) -> Fraction:
    """A point inside an interval, not far from its middle."""
    return points_inside(start, stop, 3)[1]


def _signed(model: ParametricModel) -> Iterator[tuple[str, Any]]:
    """Functions that may not vanish or change their sign inside the interval, with what they are."""
    exact: Any = model.exact
    if isinstance(model.middle, IndependentTypes):
        for i, row in enumerate(exact.values):
            for t, values in enumerate(row):
                at = f"values of buyer {i} in period {t}"
                yield f"{at}: the lowest", values[0]
                for k in range(len(values) - 1):
                    pair = " and ".join(number.text(model.parameter) for number in values[k : k + 2])
                    yield f"{at}: {pair} cross", values[k + 1] - values[k]
        for i, row in enumerate(exact.probabilities):
            for t, distribution in enumerate(row):
                for k, number in enumerate(distribution):
                    yield f"probability of type {k} of buyer {i} in period {t}", number
        for t, weights in enumerate(exact.slots or ()):
            for k, number in enumerate(weights):
                yield f"weight of slot {k} in period {t}", number
                if k:
                    yield f"weights of slots {k - 1} and {k} in period {t} cross:", weights[k - 1] - number
        for i, options in enumerate(exact.outside or ()):
            for t, row in enumerate(options):
                for k, number in enumerate(row):
                    yield f"outside option of type {k} of buyer {i} in period {t}", number
                chances = exact.probabilities[i][t]
                mean = sum((p * option for p, option in zip(chances, row, strict=True)), RationalFunction(()))
                yield f"expected outside option of buyer {i} in period {t}", mean
    else:
        for number in leaves(exact.initial):
            yield "initial probability", number
        for number in leaves(exact.kernel):
            yield "probability of the kernel", number
    for name, number in (("discount", exact.discount), *(("own discount", own) for own in exact.discounts or ())):
        yield name, number
        yield f"1 - {name}", 1 - number


def root_inside(polynomial: Polynomial, start: Fraction, stop: Fraction) -> AlgebraicNumber | None:
    """The lowest root strictly inside an interval; its polynomial need not be irreducible."""
    if len(polynomial) < 2:
        return None
    free = (
        quotient(polynomial, common)
        if len(common := common_divisor(polynomial, derivative(polynomial))) > 1
        else polynomial
    )
    if roots_between(free, start, stop) - (sign(free, stop) == 0) <= 0:
        return None
    return next(root for root in real_roots(free) if root > start)


def with_exact(environment: Environment | SeparableTypes, exact: Any) -> Any:
    """The environment with other exact numbers, whatever they are; only what reads exact numbers may use it."""
    clone = object.__new__(type(environment))
    clone.__dict__.update(environment.__dict__)
    object.__setattr__(clone, "exact", exact)
    return clone
