"""Model files with a parameter: what they hold at every value of it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from mechopt.core.errors import Fault, InputError
from mechopt.core.functions import RationalFunction
from mechopt.environment.parametric import Environment, ParametricModel, parametric_model
from mechopt.environment.scenarios import Scenarios
from mechopt.environment.separable import SeparableTypes
from mechopt.modelfile.loading import At, ModelFile, bundled, file_of, point_of, tables_of
from mechopt.modelfile.parameters import functions_in, intervals_of, substituted
from mechopt.modelfile.text import text_of


class ParametricFile(NamedTuple):
    """What a model file with a parameter holds.

    Attributes
    ----------
    model : ParametricModel
    file : ModelFile
        At a point inside, for title, constraints and objective.
    """

    model: ParametricModel
    file: ModelFile


def read_parametric(model: str | Path, parameter: str | None = None, at: At = None) -> ParametricFile:
    """Read a model file, a bundled model or the text of one, with a parameter left open.

    Parameters
    ----------
    model : path, name or text
        A text has several lines.
    parameter : str, optional
        Which one is left open; needed where there are several.
    at : mapping or str, optional
        Values of the others.

    Raises
    ------
    InputError
        With every fault.
    """
    return parse_parametric(*text_and_name(model), parameter, at)


def text_and_name(model: str | Path) -> tuple[str, str]:
    """The text of a model given by path, name or text, and what messages call it."""
    if isinstance(model, str) and "\n" in model:
        return model, "text"
    return text_of(model, bundled(), "model"), str(model)


def loads_parametric(text: str, parameter: str | None = None, at: At = None) -> ParametricModel:
    """Read the text of a model file with a parameter left open; see `read_parametric`."""
    return parse_parametric(text, "text", parameter, at).model


def parse_parametric(
    text: str,
    name: str,
    parameter: str | None = None,
    at: At = None,
    instead: Mapping[str, Any] | None = None,
) -> ParametricFile:
    """Turn the text of a model file into what it holds at every value of a parameter.

    Parameters
    ----------
    text, name : str
    parameter, at
        As for `read_parametric`.
    instead : mapping, optional
        Keys of the file that have other values, such as ``{"horizon": 4}``.
    """
    tables, faults = tables_of(text, name), list[Fault]()
    tables.update(instead or {})
    intervals, fixed = intervals_of(tables, faults), point_of(at)
    if faults:
        raise InputError(faults, name)
    left = [known for known in intervals if known not in fixed]
    if parameter is None and len(left) == 1:
        parameter = left[0]
    if parameter is None or parameter not in left or len(left) > 1:
        raise InputError([_choice(intervals, left, parameter)], name)
    start, stop = intervals[parameter]
    fixed_too: Mapping[str, Any] = fixed
    symbolic = substituted(tables, {**fixed_too, parameter: RationalFunction.parameter()}, faults)
    if faults:
        raise InputError(faults, name)
    functions = list(functions_in(symbolic))
    degree = max((len(f.numerator) + len(f.denominator) - 2 for f in functions), default=0)
    if tables.get("kind") == "separable":  # values are level * rate + base
        degree *= 3
    known: dict[Fraction, ModelFile] = {}

    def file_at(point: Fraction) -> ModelFile:
        if point not in known:
            wrong: list[Fault] = []
            plain = substituted(tables, {**fixed, parameter: point}, wrong)
            try:
                if wrong:
                    raise InputError(wrong)
                known[point] = file_of(plain, name)
            except InputError as error:
                raise InputError(error.faults, f"{name}, {parameter} = {point}") from None
        return known[point]

    def environment_at(point: Fraction) -> Environment:
        environment = file_at(Fraction(point)).environment
        if isinstance(environment, Scenarios):
            raise InputError([Fault("kind", "is 'scenarios'", "mechopt formula is for the other kinds")], name)
        if getattr(environment, "horizon", 1) == "infinite":
            raise InputError([Fault("horizon", "is infinite", "give a number of periods")], name)
        return environment.to_markov() if isinstance(environment, SeparableTypes) else environment

    model = parametric_model(parameter, start, stop, environment_at, degree)
    file = file_at(model.point)
    return ParametricFile(model, file)


def _choice(intervals: Mapping[str, Any], left: list[str], parameter: str | None) -> Fault:
    """Say why it is not clear which parameter is left open."""
    if not intervals:
        return Fault(
            "parameters", "is missing", 'write [parameters] and p = ["0", "1"], and an expression such as "1 - p"'
        )
    if parameter is not None and parameter not in intervals:
        return Fault("parameters", f"{parameter!r} is not one of them", f"known: {', '.join(intervals)}")
    others = [name for name in left if name != parameter]
    if not others:
        return Fault("parameters", "all have values", "leave one of them open")
    example = ",".join(
        f"{name}={sum(intervals[name]) / 2}" for name in others[: len(others) if parameter else -1] or others
    )
    return Fault("parameters", f"{', '.join(left)} are open", f"give values to all but one: --at {example}")
