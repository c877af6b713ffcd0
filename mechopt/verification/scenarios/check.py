"""Checks of a mechanism for several scenarios: each scenario by itself, and whether it knows the future."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mechopt.mechanism.constraints import FRESH_NOTIONS, Notion
from mechopt.mechanism.scenarios.mechanism import ScenariosMechanism
from mechopt.mechanism.scenarios.non_clairvoyant import SCENARIO_CONSTRAINTS, NonClairvoyant
from mechopt.verification.dispatch import constraint_checks
from mechopt.verification.independent.check import verify_direct
from mechopt.verification.report import NotionCheck, Report
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

    def __init__(self, together: Mapping[Notion, NotionCheck], scenarios: Mapping[str, Report]) -> None:
        self.scenarios = dict(scenarios)
        self.worst: dict[Notion, str] = {}
        checks = dict(together)
        for notion in next(iter(self.scenarios.values()), ()):
            ranked = [
                (SEVERITY.index(report[notion].status), report[notion].gain, name)
                for name, report in self.scenarios.items()
            ]
            self.worst[notion] = max(ranked, key=lambda entry: entry[:2])[2]
            checks[notion] = self.scenarios[self.worst[notion]][notion]
        super().__init__(checks)

    def __getitem__(self, key: Notion | str) -> NotionCheck:
        for notion in SCENARIO_CONSTRAINTS:
            if key == notion.name:
                return super().__getitem__(notion)
        return super().__getitem__(key)

    def __repr__(self) -> str:
        lines = []
        for notion, check in self.items():
            where = f" in scenario {self.worst[notion]!r}" if notion in self.worst and not check.holds else ""
            example = f" ({check.counterexample})" if check.counterexample else ""
            lines.append(f"{notion.name}: {check.status}{where}, gain {check.gain:.3g}{example}")
        return "ScenariosReport(" + "; ".join(lines) + ")"


@constraint_checks.register(ScenariosMechanism)
def verify_scenarios(
    mechanism: ScenariosMechanism, constraints: Notion | Iterable[Notion] | None = None, exact: bool = False
) -> ScenariosReport:
    """Check a mechanism for several scenarios; see `mechopt.verify`.

    Parameters
    ----------
    mechanism : ScenariosMechanism
    constraints : Notion or several, optional
        Default: its claims, or `NonClairvoyant` and all of each scenario if it has none.
    exact : bool
    """
    chosen = constraints or mechanism.claims or (NonClairvoyant(), *FRESH_NOTIONS)
    asked = [chosen] if isinstance(chosen, Notion) else list(chosen)
    single = [notion for notion in asked if notion not in SCENARIO_CONSTRAINTS]
    names, sequences = mechanism.scenarios.names, mechanism.scenarios.sequences
    together = {
        notion: check_foreknowledge(notion, mechanism.mechanisms, names, sequences, exact)
        for notion in asked
        if notion in SCENARIO_CONSTRAINTS
    }
    each = zip(names, mechanism.mechanisms, strict=True)
    return ScenariosReport(together, {name: verify_direct(one, single, exact) for name, one in each} if single else {})
