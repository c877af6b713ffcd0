"""Scenarios whose numbers are functions of one parameter on an interval."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial

from mechopt.environment.parametric import Environment, ParametricModel, parametric_model
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
    """

    parameter: str
    start: Fraction
    stop: Fraction
    at: Callable[[Fraction], Scenarios]
    models: tuple[ParametricModel, ...]

    @cached_property
    def middle(self) -> Scenarios:
        """The scenarios at a point inside: what does not depend on the parameter can be read from them."""
        return self.at(self.models[0].point)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of names, sequences and the scenarios' numbers as functions."""
        parts = [self.middle.kind, self.middle.names, self.middle.sequences, [one.fingerprint for one in self.models]]
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
    return ParametricScenarios(parameter, start, stop, at, models)
