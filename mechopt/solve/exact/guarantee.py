"""Exact certificates of what a mechanism that does not know the future can guarantee."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.core.errors import InputError, require_type
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.scenarios import Scenarios
from mechopt.lp.independent.plan import Plan
from mechopt.lp.program import LinearProgram
from mechopt.lp.scenarios.plan import ScenarioPlan
from mechopt.lp.scenarios.program import compile_scenarios
from mechopt.lp.scenarios.terms import STANDARD_TERMS, ScenarioTerms, require_absorbable, scenario_terms
from mechopt.mechanism.constraints import STANDARD, Asked
from mechopt.mechanism.payments import Payments
from mechopt.proof.certificate import GuaranteeCertificate, SparseVector
from mechopt.solve import highs
from mechopt.solve.exact.certify import certify
from mechopt.solve.exact.independent import ExactProgram, as_fractions, exact_twin, in_integers
from mechopt.solve.exact.simplex import optimise


class _ExactScenarioPlan(ScenarioPlan):
    """The plan whose families are built from fractions, in money of the environments."""

    @cached_property
    def parts(self) -> tuple[Plan, ...]:
        """The plan of each scenario's own rows."""
        return tuple(exact_twin(part, Fraction(1)) for part in ScenarioPlan(self.scenarios, terms=self.terms).parts)

    @cached_property
    def unit(self) -> Any:
        """One."""
        return Fraction(1)

    def _number(self, exact: Fraction) -> Any:
        """A number of the program, as it is."""
        return exact


def certify_guarantee(
    scenarios: Scenarios,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: str = "ratio",
    subject_to: Payments = (),
    benchmark: str = "same",
) -> GuaranteeCertificate:
    """Find the best guarantee exactly, with a proof.

    Parameters
    ----------
    scenarios : Scenarios
        With exact numbers.
    ic, ir, objective, subject_to, benchmark
        As for `maximin`.

    Returns
    -------
    GuaranteeCertificate

    Raises
    ------
    InputError
        If a scenario has no exact numbers, or nothing to take a share of.
    MechoptError
        If no exact optimum was found.

    Examples
    --------
    >>> coin = {"name": "F", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    >>> certify_guarantee(Scenarios([coin], [["F"], ["F", "F"]])).value
    Fraction(1, 1)
    """
    require_type(
        scenarios, "Scenarios", "certify_guarantee", "give mo.Scenarios(...); mo.formats.certify is for environments"
    )
    terms = scenario_terms(ic, ir, subject_to, objective, benchmark, scenarios.agents)
    require_absorbable(scenarios, terms)
    optima = tuple(
        certify(one, terms.measured[0], terms.measured[1], subject_to=terms.measured[2])
        for one in scenarios.environments
    )
    values = [proof.value for proof in optima]
    for name, value, environment in zip(scenarios.names, values, scenarios.environments, strict=True):
        if value is None:
            raise InputError(
                f"scenario {name!r}: revenue is unbounded under these constraints; nothing is a share of it"
            )
        if value <= 0 < environment.first_best and objective != "regret":
            raise InputError(f"scenario {name!r}: nothing is earned under these constraints; try objective 'regret'")
    measured = [
        _first_best(one) if scenarios.absorbs(s) else Fraction(values[s] or 0)
        for s, one in enumerate(scenarios.environments)
    ]
    program, exact = exact_guarantee_program(scenarios, measured, terms)
    _, columns, rows_at = highs.basis(program)
    if not len(columns):
        columns, rows_at = np.zeros(len(program.cost), np.int8), np.ones(len(program.row_lower), np.int8)
    best = optimise(exact, columns, rows_at)
    primal = SparseVector.of(best.primal.numerators, best.primal.denominator)
    dual = SparseVector.of(best.dual.numerators * exact.factor.astype(object), best.dual.denominator)
    value = -best.value if objective == "regret" else best.value
    asked = terms.ic, terms.ir, terms.subject_to, terms.objective, terms.benchmark, tuple(sorted(scenarios.absorbing))
    return GuaranteeCertificate(scenarios.fingerprint, value, optima, primal, dual, *asked)


def _first_best(environment: IndependentTypes) -> Fraction:
    """Expected surplus of the efficient rule, one buyer."""
    exact, surplus = environment.exact, environment.exact_surplus
    assert exact is not None and surplus is not None  # or its optimum would have no proof
    return sum(
        (
            exact.discount**t * p * max(value, Fraction(0))
            for t, values in enumerate(surplus[0])
            for p, value in zip(exact.probabilities[0][t], values, strict=True)
        ),
        Fraction(0),
    )


def exact_guarantee_program(
    scenarios: Scenarios,
    optima: Sequence[Fraction],
    terms: ScenarioTerms = STANDARD_TERMS,
) -> tuple[LinearProgram, ExactProgram]:
    """The program of the best guarantee, in floats and in integers.

    Parameters
    ----------
    scenarios : Scenarios
        With exact numbers.
    optima : sequence of Fraction
        Of a clairvoyant seller, by scenario.
    terms : ScenarioTerms
        What is asked for.
    """
    plan, exact_plan = ScenarioPlan(scenarios, terms=terms), _ExactScenarioPlan(scenarios, terms=terms)
    program, _ = compile_scenarios(plan, [float(value) for value in optima])
    built = []
    for family in exact_plan.families(optima):
        rows = family.build(exact_plan.columns[0])
        built.append((rows.columns, as_fractions(rows.coefficients)))
    cost = np.zeros(len(program.cost), dtype=np.int64)
    cost[plan.numbers("goal", 0, 0)] = -1 if terms.objective == "regret" else 1
    return program, in_integers(program, built, cost, 1, Fraction(0))
