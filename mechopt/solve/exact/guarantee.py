"""Exact certificates of the best guarantee of a mechanism that does not know the future."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.environment.scenarios import Scenarios
from mechopt.lp.independent import incentive, participation
from mechopt.lp.program import LinearProgram, RowFamily
from mechopt.lp.scenarios.program import ScenarioPlan, ScenarioRows, compile_scenarios
from mechopt.proof.certificate import GuaranteeCertificate, SparseVector
from mechopt.solve import highs
from mechopt.solve.exact.certify import certify
from mechopt.solve.exact.independent import ExactProgram, ExactStage, ExactTree, as_fractions, in_integers
from mechopt.solve.exact.simplex import optimise


class _ExactScenarioPlan(ScenarioPlan):
    """The plan whose families are built from fractions, in money of the environments."""

    @cached_property
    def trees(self) -> tuple[ExactTree, ...]:
        """Histories of each scenario."""
        return tuple(map(ExactTree, self.scenarios.environments))

    @cached_property
    def unit(self) -> Any:
        """One."""
        return Fraction(1)

    def families(self, optima: Sequence[Any]) -> tuple[ScenarioRows, ...]:
        """Row families in order; ``optima`` are fractions."""
        families: list[ScenarioRows] = []
        for s, tree in enumerate(self.trees):
            stages = [ExactStage(tree, t, 0, 1.0, self.misreports) for t in range(tree.horizon)]
            own = [participation.promise(stage) for stage in stages] + [incentive.dic(stage) for stage in stages]
            own += [self._worth(s, stage) for stage in stages]
            if s in self.limiting:
                own.append(RowFamily("guarantee", None, 0, (), 3, partial(self._revenue_rows, s, optima[s])))
            families += [self._of_scenario(s, family) for family in own]
        return tuple(families)


def certify_guarantee(scenarios: Scenarios) -> GuaranteeCertificate:
    """Find the best guarantee exactly, with a proof.

    Parameters
    ----------
    scenarios : Scenarios
        With exact numbers.

    Returns
    -------
    GuaranteeCertificate

    Raises
    ------
    InputError
        If a scenario has no exact numbers.
    MechoptError
        If no exact optimum was found.

    Examples
    --------
    >>> coin = {"name": "F", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> certify_guarantee(Scenarios([coin], [["F"], ["F", "F"]])).value
    Fraction(1, 1)
    """
    optima = tuple(certify(environment) for environment in scenarios.environments)
    values = [proof.value for proof in optima]
    if None in values:
        raise InputError("a scenario without an optimum has no guarantee")
    program, exact = exact_guarantee_program(scenarios, [Fraction(value or 0) for value in values])
    _, columns, rows_at = highs.basis(program)
    if not len(columns):
        columns, rows_at = np.zeros(len(program.cost), np.int8), np.ones(len(program.row_lower), np.int8)
    best = optimise(exact, columns, rows_at)
    primal = SparseVector.of(best.primal.numerators, best.primal.denominator)
    dual = SparseVector.of(best.dual.numerators * exact.factor.astype(object), best.dual.denominator)
    return GuaranteeCertificate(scenarios.fingerprint, best.value, optima, primal, dual)


def exact_guarantee_program(scenarios: Scenarios, optima: Sequence[Fraction]) -> tuple[LinearProgram, ExactProgram]:
    """The program of the best guarantee, in floats and in integers.

    Parameters
    ----------
    scenarios : Scenarios
        With exact numbers.
    optima : sequence of Fraction
        Of a clairvoyant seller, by scenario.
    """
    plan, exact_plan = ScenarioPlan(scenarios), _ExactScenarioPlan(scenarios)
    program, _ = compile_scenarios(plan, [float(value) for value in optima])
    built = []
    for family in exact_plan.families(optima):
        rows = family.build(exact_plan.columns[0])
        built.append((rows.columns, as_fractions(rows.coefficients)))
    cost = np.zeros(len(program.cost), dtype=np.int64)
    cost[plan.numbers("guarantee", 0, 0)] = 1
    return program, in_integers(program, built, cost, 1, Fraction(0))
