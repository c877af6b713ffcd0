"""Terms of a mechanism that does not know the future: constraints in every scenario, and the objective.

Three objectives, each measured by what a clairvoyant seller earns in the scenario (its benchmark):

- ``"ratio"``: the least share of the benchmarks, the guarantee;
- ``"weighted"``: the mean share under the scenarios' weights, a prior over futures;
- ``"regret"``: the largest shortfall in money, made smallest.

A clairvoyant seller is under the same constraints (``benchmark="same"``), or under DIC and EPIR (``"standard"``), which
shows what stronger constraints cost without the future and with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mechopt.core.errors import Fault, InputError
from mechopt.environment.scenarios import Scenarios
from mechopt.mechanism.constraint_names import asked_constraints
from mechopt.mechanism.constraints import (
    DIC,
    EPIR,
    INDU,
    PFIR,
    PPIC,
    STANDARD,
    Asked,
    Constraint,
    ExPostIC,
    Interim,
    SuperDIC,
    closure,
)
from mechopt.mechanism.payments import (
    Deterministic,
    EpsilonIC,
    PaymentConstraint,
    Payments,
    payment_constraints,
    require_agents,
)

OBJECTIVES = ("ratio", "weighted", "regret")
BENCHMARKS = ("same", "standard")


@dataclass(frozen=True)
class ScenarioTerms:
    """Constraints, objective and benchmark.

    Attributes
    ----------
    ic, ir : tuples of Constraint
        In every scenario.
    subject_to : tuple of PaymentConstraint
        In every scenario.
    objective : str
        ``"ratio"``, ``"weighted"`` or ``"regret"``.
    benchmark : str
        ``"same"`` or ``"standard"``.
    form : str
        ``"utility"``: allocations and lifetime utilities; ``"payment"``: also realised utilities, that is payments by
        period.
    constant : bool
        Whether INDU is asked for in the utility form, by rows of its own (one buyer).
    """

    ic: tuple[Constraint, ...] = (DIC(),)
    ir: tuple[Constraint, ...] = (EPIR(),)
    subject_to: tuple[PaymentConstraint, ...] = ()
    objective: str = "ratio"
    benchmark: str = "same"
    form: str = "utility"
    constant: bool = False

    @property
    def part_ic(self) -> tuple[Constraint, ...]:
        """Incentive constraints that each scenario's own rows are for."""
        return (DIC(),) if self.constant else self.ic

    @property
    def measured(self) -> tuple[tuple[Constraint, ...], tuple[Constraint, ...], tuple[PaymentConstraint, ...]]:
        """Constraints of the benchmarks. Under DIC and INDU they are those under DIC: Lemma 3.3 gives INDU for free."""
        if self.benchmark == "standard" or (self.constant and self.ir == (EPIR(),)):
            return (DIC(),), (EPIR(),), ()
        return self.ic, self.ir, self.subject_to

    @property
    def standard(self) -> bool:
        """Whether it is the guarantee under DIC, or DIC and INDU, and EPIR."""
        kept = self.ir == (EPIR(),) and not self.subject_to and (self.constant or self.ic == (DIC(),))
        return kept and self.objective == "ratio"


STANDARD_TERMS = ScenarioTerms()
"""The guarantee under DIC and EPIR."""


def require_absorbable(scenarios: Scenarios, terms: ScenarioTerms) -> None:
    """Refuse what is not known to have a limit: with absorbing periods there are the guarantee, DIC and EPIR.

    Raises
    ------
    InputError
        If something else is asked for.
    """
    if scenarios.absorbing and (not terms.standard or terms.constant):
        raise InputError("absorbing: with such periods the guarantee under dic and epir is known; ask for that")


def scenario_terms(
    ic: Asked = STANDARD,
    ir: Asked = STANDARD,
    subject_to: Payments = (),
    objective: str = "ratio",
    benchmark: str = "same",
    agents: int = 1,
) -> ScenarioTerms:
    """Read what is asked for, and choose the form of the program.

    Realised utilities are common to scenarios that cannot be told apart, so constraints on the timing of payments tie
    scenarios together: they need the payment form. DIC, ex-post IC and super-DIC with EPIR (which then holds for every
    prefix as well) are about lifetime utilities alone.

    Parameters
    ----------
    ic, ir : Constraint, str, several or None
        Default DIC and EPIR.
    subject_to : PaymentConstraint, str, several or None
    objective, benchmark : str
    agents : int
        Number of buyers.

    Raises
    ------
    InputError
        If something is not known, or the benchmark is for stronger constraints than are asked for.

    Examples
    --------
    >>> scenario_terms().form, scenario_terms(ir="per-period").form, scenario_terms("ppic+indu").ic
    ('utility', 'payment', (DIC(), INDU()))
    """
    asked_ic, asked_ir = asked_constraints(ic, ir, "independent")
    limits = payment_constraints(subject_to)
    require_agents(limits, agents)
    for limit in limits:
        if isinstance(limit, (Deterministic, EpsilonIC)):
            words = "a guarantee over scenarios is of mechanisms that draw, and keep incentive constraints as they are"
            raise InputError([Fault("subject_to", f"{limit.name}: {words}", "leave it out")])
    for what, given, known in (("objective", objective, OBJECTIVES), ("benchmark", benchmark, BENCHMARKS)):
        if given not in known:
            raise InputError(f"{what} {given!r}: over scenarios it is one of {', '.join(known)}")
    stronger = DIC() in closure(asked_ic) and EPIR() in closure(asked_ir)
    if benchmark == "standard" and not stronger:
        raise InputError("benchmark 'standard': revenue under DIC and EPIR bounds that of mechanisms under both alone")
    bounds = set(asked_ir) <= {EPIR(), PFIR(), Interim()} and EPIR() in closure(asked_ir)
    if not limits and bounds:
        constant = INDU() in asked_ic and len(asked_ic) > 1 and set(asked_ic) <= {DIC(), PPIC(), INDU()}
        if constant and agents == 1:  # given INDU, DIC is PPIC
            return ScenarioTerms((DIC(), INDU()), asked_ir, limits, objective, benchmark, "utility", True)
        if asked_ic and set(asked_ic) <= {DIC(), ExPostIC(), SuperDIC()}:
            return ScenarioTerms(asked_ic, asked_ir, limits, objective, benchmark)
    return ScenarioTerms(asked_ic, asked_ir, limits, objective, benchmark, "payment")
