"""Checks of a mechanism for several scenarios: each scenario by itself, and whether it knows the future."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mechopt.mechanism.constraints import INDEPENDENT_CONSTRAINTS, Constraint
from mechopt.mechanism.scenarios.mechanism import ScenariosMechanism
from mechopt.mechanism.scenarios.non_clairvoyant import SCENARIO_CONSTRAINTS, NonClairvoyant
from mechopt.verification.independent.check import verify_direct
from mechopt.verification.report import ConstraintCheck, Report
from mechopt.verification.rounding import Status
from mechopt.verification.scenarios.foreknowledge import check_foreknowledge

SEVERITY = (Status.SATISFIED, Status.UNDECIDED, Status.VIOLATED)


class ScenariosReport(Report):
    """Checks by constraint, each of them the worst over the scenarios.

    Attributes
    ----------
    scenarios : mapping from name to Report
        By scenario; empty where only constraints on all scenarios together were checked.
    worst : mapping from constraint to str
        The scenario that its check is of.
    """

    def __init__(self, together: Mapping[Constraint, ConstraintCheck], scenarios: Mapping[str, Report]) -> None:
        self.scenarios = dict(scenarios)
        self.worst: dict[Constraint, str] = {}
        checks = dict(together)
        for constraint in next(iter(self.scenarios.values()), ()):
            ranked = [
                (SEVERITY.index(report[constraint].status), report[constraint].gain, name)
                for name, report in self.scenarios.items()
            ]
            self.worst[constraint] = max(ranked, key=lambda entry: entry[:2])[2]
            checks[constraint] = self.scenarios[self.worst[constraint]][constraint]
        super().__init__(checks)

    def __getitem__(self, key: Constraint | str) -> ConstraintCheck:
        for constraint in SCENARIO_CONSTRAINTS:
            if key == constraint.name:
                return super().__getitem__(constraint)
        return super().__getitem__(key)

    def __repr__(self) -> str:
        lines = []
        for constraint, check in self.items():
            where = f" in scenario {self.worst[constraint]!r}" if constraint in self.worst and not check.holds else ""
            example = f" ({check.counterexample})" if check.counterexample else ""
            lines.append(f"{constraint.name}: {check.status}{where}, gain {check.gain:.3g}{example}")
        return "ScenariosReport(" + "; ".join(lines) + ")"


def verify_scenarios(
    mechanism: ScenariosMechanism, constraints: Constraint | Iterable[Constraint] | None = None, exact: bool = False
) -> ScenariosReport:
    """Check a mechanism for several scenarios; see `mechopt.verify`.

    Parameters
    ----------
    mechanism : ScenariosMechanism
    constraints : Constraint or several, optional
        Default: its claims, or `NonClairvoyant` and all of each scenario if it has none.
    exact : bool
    """
    chosen = constraints or mechanism.claims or (NonClairvoyant(), *INDEPENDENT_CONSTRAINTS)
    asked = [chosen] if isinstance(chosen, Constraint) else list(chosen)
    single = [constraint for constraint in asked if constraint not in SCENARIO_CONSTRAINTS]
    names, sequences = mechanism.scenarios.names, mechanism.scenarios.sequences
    together = {
        constraint: check_foreknowledge(constraint, mechanism.mechanisms, names, sequences, exact)
        for constraint in asked
        if constraint in SCENARIO_CONSTRAINTS
    }
    each = zip(names, mechanism.mechanisms, strict=True)
    return ScenariosReport(together, {name: verify_direct(one, single, exact) for name, one in each} if single else {})
