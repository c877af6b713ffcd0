"""Model files with a parameter: what they hold at every value of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

from mechopt.core.errors import Fault, InputError, require_type
from mechopt.core.functions import RationalFunction
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.parametric import (
    Environment,
    ParametricModel,
    functions_of,
    parametric_model,
    root_inside,
    with_exact,
)
from mechopt.environment.parametric_scenarios import ParametricScenarios, parametric_scenarios
from mechopt.environment.scenarios import Scenarios
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.states.cells import depends_on_cells
from mechopt.mechanism.payments import PaymentConstraint, amounts_of, payment_constraints
from mechopt.modelfile.loading import At, ModelFile, bundled, file_of, point_of, tables_of
from mechopt.modelfile.parameters import functions_in, intervals_of, substituted
from mechopt.modelfile.text import text_of


class ParametricFile(NamedTuple):
    """Contents of a model file with a parameter.

    Attributes
    ----------
    model : ParametricModel
    file : ModelFile
        At a point inside, for title, constraints and objective.
    subject_to : tuple of PaymentConstraint
        Their amounts may be functions of the parameter.
    """

    model: ParametricModel
    file: ModelFile
    subject_to: tuple[PaymentConstraint, ...] = ()


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


def kind_of(model: str | Path) -> str:
    """The kind of a model given by path, name or text, as it says."""
    return str(tables_of(*text_and_name(model)).get("kind"))


def text_and_name(model: str | Path) -> tuple[str, str]:
    """The text of a model given by path, name or text, and what messages call it."""
    if isinstance(model, str) and "\n" in model:
        return model, "text"
    return text_of(model, bundled(), "model"), str(model)


def loads_parametric(text: str, parameter: str | None = None, at: At = None) -> ParametricModel:
    """Read the text of a model file with a parameter left open; see `read_parametric`."""
    require_type(text, str, "loads_parametric", "give the text of a model file")
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
    opened = open_parameter(text, name, parameter, at, instead)

    def environment_at(point: Fraction) -> Environment:
        environment = opened.file_at(Fraction(point)).environment
        if isinstance(environment, Scenarios):
            raise InputError([Fault("kind", "is 'scenarios'", "its formula is mo.mechanisms.guarantee_formula")], name)
        if getattr(environment, "horizon", 1) == "infinite":
            raise InputError([Fault("horizon", "is infinite", "give a number of periods")], name)
        if isinstance(environment, SeparableTypes):
            return environment.to_markov()
        return cast("Environment", environment)

    # separable values are level * rate + base, three numbers of the file
    degree = opened.degree * (3 if opened.kind == SeparableTypes.kind else 1)
    if opened.factors:  # with public states all agents and states move by one kernel of products
        degree += opened.degree * opened.factors
    try:
        model = parametric_model(opened.parameter, opened.start, opened.stop, environment_at, degree)
    except InputError as error:
        raise InputError(error.faults, error.source or name) from None
    file = opened.file_at(model.point)
    if isinstance(file.environment, SeparableTypes):
        exact = functions_of(lambda at: opened.file_at(at).environment, opened.start, opened.stop, degree)
        model = replace(model, origin=with_exact(file.environment, exact))
    payments = payment_constraints(opened.subject_to) if file.subject_to else ()
    if faults := payment_faults(model, payments):
        raise InputError(faults, name)
    return ParametricFile(model, file, payments)


def payment_faults(model: ParametricModel, payments: Sequence[PaymentConstraint]) -> list[Fault]:
    """Amounts that become 0 inside the interval, by which rows are divided where types are independent, or have poles.

    Parameters
    ----------
    model : ParametricModel
    payments : sequence of PaymentConstraint
        Their amounts may be functions of the parameter.
    """
    found = list[Fault]()
    for constraint in payments:
        for amount in map(RationalFunction.of, amounts_of(constraint)):
            if isinstance(model.middle, IndependentTypes):
                found += model.crossing(constraint.name, amount)
            elif has_pole(amount, model.start, model.stop):
                found.append(pole_fault(model.parameter, amount, model.start, model.stop))
    return found


class ScenariosFile(NamedTuple):
    """Contents of a file of scenarios with a parameter.

    Attributes
    ----------
    model : ParametricScenarios
    file : ModelFile
        At a point inside, for constraints, objective and benchmark.
    subject_to : tuple of PaymentConstraint
        Their amounts may be functions of the parameter.
    """

    model: ParametricScenarios
    file: ModelFile
    subject_to: tuple[PaymentConstraint, ...]


def read_parametric_scenarios(model: str | Path, parameter: str | None = None, at: At = None) -> ScenariosFile:
    """Read scenarios with a parameter left open; see `read_parametric`."""
    text, name = text_and_name(model)
    opened = open_parameter(text, name, parameter, at)

    def scenarios_at(point: Fraction) -> Scenarios:
        file = opened.file_at(Fraction(point))
        scenarios = file.of_kind(Scenarios)
        if scenarios.absorbing:
            what = "has no formula: its first best is not followed as a function"
            raise InputError([Fault("absorbing", what, "give the tails as distributions")], file.name)
        return scenarios

    found = parametric_scenarios(opened.parameter, opened.start, opened.stop, scenarios_at, opened.degree)
    file = opened.file_at(found.models[0].point)
    payments = payment_constraints(opened.subject_to) if file.subject_to else ()
    if faults := payment_faults(found.models[0], payments):
        raise InputError(faults, name)
    return ScenariosFile(found, file, payments)


class Opened(NamedTuple):
    """A model file with one parameter left open.

    Attributes
    ----------
    parameter : str
    start, stop : Fraction
    kind : str
        As the file says.
    degree : int
        Largest degree of a number of the file, numerator and denominator together.
    file_at : callable
        What the file holds at a value of the parameter.
    subject_to : list
        Constraints on payments with functions of the parameter for amounts.
    factors : int
        With public states, or separable tables by period, the number of agents and states, else 0.
    """

    parameter: str
    start: Fraction
    stop: Fraction
    kind: str
    degree: int
    file_at: Callable[[Fraction], ModelFile]
    subject_to: list[PaymentConstraint | str]
    factors: int


def open_parameter(
    text: str, name: str, parameter: str | None = None, at: At = None, instead: Mapping[str, Any] | None = None
) -> Opened:
    """Read a model file and leave one parameter open; see `parse_parametric`."""
    tables, faults = tables_of(text, name), list[Fault]()
    tables.update(instead or {})
    intervals, values = intervals_of(tables, faults)
    fixed = values | point_of(at)
    if faults:
        raise InputError(faults, name)
    left = [known for known in intervals if known not in fixed]
    if parameter is None and len(left) == 1:
        parameter = left[0]
    if parameter is None or parameter not in left or len(left) > 1:
        raise InputError([_choice(intervals, left, parameter)], name)
    start, stop = intervals[parameter]
    open_name, known_numbers = parameter, dict[str, Any](fixed)
    symbolic = substituted(tables, {**known_numbers, open_name: RationalFunction.parameter()}, faults)
    if faults:
        raise InputError(faults, name)
    degree = max((len(f.numerator) + len(f.denominator) - 2 for f in functions_in(symbolic)), default=0)
    faults += [pole_fault(open_name, f, start, stop) for f in functions_in(symbolic) if has_pole(f, start, stop)][:1]
    if faults:
        raise InputError(faults, name)
    known: dict[Fraction, ModelFile] = {}

    def file_at(point: Fraction) -> ModelFile:
        if point not in known:
            wrong: list[Fault] = []
            plain = substituted(tables, {**known_numbers, open_name: point}, wrong)
            try:
                if wrong:
                    raise InputError(wrong)
                known[point] = file_of(plain, name)
            except InputError as error:
                raise InputError(error.faults, f"{name}, {open_name} = {point}") from None
        return known[point]

    solve = symbolic.get("solve")
    payments = symbolic.get("subject_to") or (solve.get("subject_to") if isinstance(solve, Mapping) else None) or []
    states, agents = (tables.get(key) for key in ("states", "agents"))
    joint = isinstance(states, list) or (tables.get("kind") == SeparableTypes.kind and depends_on_cells(tables))
    factors = len(states or ()) + len(agents) if joint and isinstance(agents, list) else 0
    return Opened(open_name, start, stop, str(tables.get("kind")), degree, file_at, payments, factors)


def has_pole(function: RationalFunction, start: Fraction, stop: Fraction) -> bool:
    """Whether an expression of the file has a pole strictly inside the interval."""
    return root_inside(function.denominator, start, stop) is not None


def pole_fault(parameter: str, function: RationalFunction, start: Fraction, stop: Fraction) -> Fault:
    """Say where it has it."""
    root = root_inside(function.denominator, start, stop)
    assert root is not None
    place = root.exact if root.exact is not None else f"about {float(root):.6g}"
    what = f"the expression {function.text(parameter)} has a pole at {parameter} = {place}"
    return Fault(f"parameters.{parameter}", what, f"let the interval of {parameter} end there")


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
