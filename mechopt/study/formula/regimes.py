"""Where the virtual pivot attains its bound, as a function of a parameter: regimes with exact ends.

With finitely many types the virtual pivot of Kakade, Lobel and Nazerzadeh (2013) is in one of three regimes; see
`mechopt.closedform.virtual.pivot`. (16) is a finite list of inequalities between functions of the parameter, the bound
is such a function, and the optimum is one that is proved:

- a: (16) holds, so that the published payments attain the bound;
- b: it fails, and the optimum is the bound all the same: other payments attain it;
- c: the optimum lies below the bound.

The bound is (8) as published, without ironing: where virtual levels fall the regime is c, or a.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from mechopt.closedform.virtual.functions import interval_dominance, virtual_bound
from mechopt.core.algebraic import AlgebraicNumber
from mechopt.core.errors import MechoptError
from mechopt.core.functions import RationalFunction
from mechopt.environment.parametric import ParametricModel
from mechopt.solve.parametric.pieces import Piece
from mechopt.study.formula.ratio import piecewise, separable_numbers


class Regime(NamedTuple):
    """An interval in one regime; what holds at its ends is said by the functions there.

    Attributes
    ----------
    letter : str
        ``"a"``, ``"b"`` or ``"c"``.
    start, stop : AlgebraicNumber
    """

    letter: str
    start: AlgebraicNumber
    stop: AlgebraicNumber


def regimes(model: ParametricModel, optimum: tuple[Piece, ...]) -> tuple[Regime, ...]:
    """Regimes of the virtual pivot from below, neighbours that are alike as one.

    Parameters
    ----------
    model : ParametricModel
        Separable.
    optimum : tuple of Piece
        Revenue under Bayesian or periodic ex post incentive constraints and interim participation.

    Raises
    ------
    InputError
        If the theorem on the virtual pivot is not about the model.
    """
    traced = separable_numbers(model, "virtual-pivot")
    dominance = piecewise(lambda: interval_dominance(replace(traced)), model.start, model.stop, model.parameter)
    bound = piecewise(lambda: RationalFunction.of(virtual_bound(replace(traced))), model.start, model.stop)
    found: list[Regime] = []
    for below, above, holds in dominance:
        for left, right, top in bound:
            for best in optimum:
                start, stop = max(below, left, best.start), min(above, right, best.stop)
                if start < stop:
                    found.append(Regime(_letter(holds, top, best.function), start, stop))
    found.sort(key=lambda regime: regime.start)
    joined: list[Regime] = []
    for regime in found:
        if joined and joined[-1].letter == regime.letter and joined[-1].stop == regime.start:
            joined[-1] = joined[-1]._replace(stop=regime.stop)
        else:
            joined.append(regime)
    return tuple(joined)


def _letter(holds: bool, bound: RationalFunction, optimum: RationalFunction) -> str:
    if holds and bound != optimum:
        raise MechoptError(
            f"the virtual pivot attains its bound {bound}, and the optimum is {optimum}: please report this"
        )
    return "a" if holds else "b" if bound == optimum else "c"
