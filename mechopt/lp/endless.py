"""Constraints and objective of an infinite horizon, where there is no program over histories."""

from __future__ import annotations

from dataclasses import dataclass

from mechopt.environment.families.forever import IndependentForever
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.constraint_names import asked_constraints
from mechopt.mechanism.constraints import STANDARD, Asked, Constraint
from mechopt.mechanism.objective import Objective, Revenue
from mechopt.mechanism.payments import PaymentConstraint, Payments, payment_constraints


@dataclass(frozen=True, eq=False)
class EndlessPlan:
    """An environment with an infinite horizon, and what is asked of mechanisms.

    Attributes
    ----------
    environment : MarkovTypes or IndependentForever
    ic, ir : tuples of Constraint
    objective : Objective
    subject_to : tuple of PaymentConstraint
    """

    environment: MarkovTypes | IndependentForever
    ic: tuple[Constraint, ...]
    ir: tuple[Constraint, ...]
    objective: Objective
    subject_to: tuple[PaymentConstraint, ...] = ()


def endless_plan(
    environment: MarkovTypes | IndependentForever,
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    objective: Objective = Revenue(),
    subject_to: Payments = (),
) -> EndlessPlan:
    """Put together what is asked.

    Parameters
    ----------
    environment : MarkovTypes or IndependentForever
        With an infinite horizon.
    ic, ir, objective, subject_to
        As for `mechopt.Problem`.
    """
    chosen = asked_constraints(ic, ir, "persistent" if environment.kind == "markov" else "independent")
    return EndlessPlan(environment, *chosen, objective, payment_constraints(subject_to))
