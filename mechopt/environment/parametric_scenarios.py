"""Scenarios whose numbers are functions of one parameter on an interval."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from typing import Any, NamedTuple

from mechopt.core.errors import InputError
from mechopt.core.functions import RationalFunction
from mechopt.environment.parametric import Environment, ParametricModel, functions_of, parametric_model
from mechopt.environment.scenarios import Scenarios


@dataclass(frozen=True, eq=False, repr=False)
class ParametricScenarios:
    """Scenarios with one parameter.

    Attributes
    ----------
    parameter : str
        Its name.
    start, stop : Fraction
        Ends of its interval.
    at : callable
        Scenarios at a value of the parameter.
    models : tuple of ParametricModel
        Each scenario by itself, as a clairvoyant seller sees it.
    weights : tuple of RationalFunction
        Of the scenarios; they sum to 1.
    """

    parameter: str
    start: Fraction
    stop: Fraction
    at: Callable[[Fraction], Scenarios]
    models: tuple[ParametricModel, ...]
    weights: tuple[RationalFunction, ...]

    @cached_property
    def middle(self) -> Scenarios:
        """The scenarios at a point inside: what does not depend on the parameter can be read from them."""
        return self.at(self.models[0].point)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of names, sequences and the scenarios' numbers as functions."""
        parts: list[Any] = [
            self.middle.kind,
            self.middle.names,
            self.middle.sequences,
            [one.fingerprint for one in self.models],
        ]
        if any(weight != self.weights[0] for weight in self.weights):  # alike is what they are if none are given
            parts.append([str(weight) for weight in self.weights])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def __repr__(self) -> str:
        return f"ParametricScenarios({len(self.models)}, {self.parameter} from {self.start} to {self.stop})"


def parametric_scenarios(
    parameter: str, start: Fraction, stop: Fraction, at: Callable[[Fraction], Scenarios], degree: int
) -> ParametricScenarios:
    """Find the numbers of scenarios as functions of their parameter; see `parametric_model`."""

    def one(s: int, point: Fraction) -> Environment:
        return at(point).environments[s]

    count = len(at((start + stop) / 2))
    models = tuple(parametric_model(parameter, start, stop, partial(one, s), degree) for s in range(count))
    weights = functions_of(lambda point: _Weights(at(point).weights), start, stop, count * degree)
    faults = [fault for s, w in enumerate(weights) for fault in models[0].crossing(f"weight of scenarios[{s}]", w)]
    if faults:
        raise InputError(faults)
    return ParametricScenarios(parameter, start, stop, at, models, weights)


class _Weights(NamedTuple):
    """Weights where `functions_of` looks for exact numbers."""

    exact: tuple[Fraction, ...]
