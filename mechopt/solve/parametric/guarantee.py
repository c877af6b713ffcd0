"""The best guarantee over scenarios as a function of a parameter.

First the clairvoyant optimum of each scenario as a function; between the ends of their pieces these are rational
functions, and so are the entries of the program of the guarantee, which is then walked like any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.errors import InputError
from mechopt.core.functions import RationalFunction
from mechopt.environment.parametric_scenarios import ParametricScenarios
from mechopt.lp.scenarios.terms import ScenarioTerms
from mechopt.mechanism.objective import Revenue
from mechopt.mechanism.payments import payments_at
from mechopt.solve.exact.guarantee import exact_guarantee_program
from mechopt.solve.parametric.pieces import Piece, merged
from mechopt.solve.parametric.program import ParametricProgram, parametric_program, through_points
from mechopt.solve.parametric.walk import BasisPiece, Open, Walk, Walker, find_pieces, point_between

NARROW = Fraction(1, 1000)
"""Interpolation leaves out this share of an interval at irrational ends."""


@dataclass(frozen=True, eq=False)
class GuaranteeWalk:
    """Result of a walk over guarantees.

    Attributes
    ----------
    programs, walks : tuples by scenario
        Of the clairvoyant optima.
    bases : tuple of BasisPiece
        Of the program of the guarantee, from below.
    uncovered : tuple of (AlgebraicNumber, AlgebraicNumber)
        Open intervals that were not reached.
    stopped : str
        As for `Walk`.
    """

    programs: tuple[ParametricProgram, ...]
    walks: tuple[Walk, ...]
    bases: tuple[BasisPiece, ...]
    uncovered: tuple[Open, ...]
    stopped: str


def find_guarantee(
    model: ParametricScenarios,
    terms: ScenarioTerms,
    most_pieces: int,
    deadline: float = float("inf"),
    progress: Callable[[int, float], None] | None = None,
) -> GuaranteeWalk:
    """Cover the interval with bases of the guarantee.

    Parameters
    ----------
    model : ParametricScenarios
    terms : ScenarioTerms
        What is asked for; amounts may be functions of the parameter.
    most_pieces : int
        Bases, of each optimum and of the guarantee.
    deadline : float
        Of ``time.monotonic()``.
    progress : callable, optional
    """
    programs, walks = [], []
    ic, ir, subject_to = terms.measured
    for one in model.models:
        programs.append(parametric_program(one, ic, ir, Revenue(), subject_to))
        limits: dict[str, Any] = {"most_pieces": most_pieces, "deadline": deadline, "progress": progress}
        walks.append(find_pieces(programs[-1], one.start, one.stop, one.point, **limits))
        if walks[-1].stopped:
            whole = AlgebraicNumber.rational(model.start), AlgebraicNumber.rational(model.stop)
            return GuaranteeWalk(tuple(programs), tuple(walks), (), (whole,), walks[-1].stopped)
    optima = [merged(walk.bases, model.parameter) for walk in walks]
    ends = sorted({end for pieces in optima for piece in pieces for end in (piece.start, piece.stop)})
    bases, uncovered, stopped = list[BasisPiece](), list[Open](), ""
    for start, stop in pairwise(ends):
        if stopped or time.monotonic() > deadline:
            stopped = stopped or "time"
            uncovered.append((start, stop))
            continue
        functions = [_holding(pieces, start, stop) for pieces in optima]
        part = _part(model, terms, functions, start, stop).walk(most_pieces - len(bases), deadline, progress)
        turned = terms.objective == "regret"  # the program maximises minus the regret
        bases += [replace(basis, value=-basis.value) if turned else basis for basis in part.bases]
        uncovered += part.uncovered
        stopped = part.stopped
    return GuaranteeWalk(tuple(programs), tuple(walks), tuple(bases), tuple(uncovered), stopped)


def _holding(pieces: tuple[Piece, ...], start: AlgebraicNumber, stop: AlgebraicNumber) -> RationalFunction:
    return next(p.function for p in pieces if not start < p.start and not p.stop < stop)


def _part(
    model: ParametricScenarios,
    terms: ScenarioTerms,
    functions: list[RationalFunction],
    start: AlgebraicNumber,
    stop: AlgebraicNumber,
) -> Walker:
    """The walker of an interval on which the optima are single functions."""
    while start.upper >= stop.lower:
        start.narrow()
        stop.narrow()
    for end in (start, stop):
        end.narrowed((stop.lower - start.upper) * NARROW)
    point = point_between(start, stop, 0)
    for name, function, one in zip(model.middle.names, functions, model.at(point).environments, strict=True):
        if not function and one.first_best > 0 and terms.objective != "regret":
            where = f"{model.parameter} from {float(start):.6g} to {float(stop):.6g}"
            what = f"scenario {name!r}: nothing is earned under these constraints for {where}"
            raise InputError(f"{what}; try objective 'regret'")
    program = through_points(
        None,
        lambda at: exact_guarantee_program(
            model.at(at),
            [function(at) for function in functions],
            replace(terms, subject_to=payments_at(terms.subject_to, at)),
        ),
        start.upper,
        stop.lower,
    )
    return Walker(program, start, stop, point)
