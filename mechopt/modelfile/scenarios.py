"""kind = "scenarios": what a non-clairvoyant seller may face (one buyer)."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from mechopt.core.errors import Fault
from mechopt.environment.reading import check
from mechopt.environment.scenarios import Scenarios, faults_between
from mechopt.modelfile.tables import Number, Probabilities, Table, Values, checked, length_faults

Name = Annotated[str, Field(min_length=1)]


class DistributionTable(Table):
    """One distribution of the buyer's type in a period."""

    name: Name = Field(description="by which scenarios call it")
    values: Values = Field(description="at least 0, increasing")
    probabilities: Probabilities = Field(description="at least 0, sum to 1")


class ScenarioTable(Table):
    """One future that the seller may face."""

    sequence: list[Name] = Field(strict=True, description="names of distributions, one a period")
    name: Name | None = Field(None, description="default: the names of the sequence")


class ScenariosFile(Table):
    """kind = "scenarios": what a non-clairvoyant seller may face (one buyer)."""

    title: str = ""
    source: str = ""
    kind: Literal["scenarios"]
    discount: Annotated[Number, checked(partial(check.discount_faults, at=""))] = Field(
        Fraction(1), description="above 0, at most 1"
    )
    distributions: list[DistributionTable] = Field(min_length=1, strict=True)
    scenarios: list[ScenarioTable] = Field(min_length=1, strict=True)
    expected: dict[str, Any] = Field({}, description="results to compare with: keys of the JSON output joined by dots")

    def environment(self) -> Scenarios:
        """Build the scenarios that the file describes."""
        tables = (self.distributions, self.scenarios)
        distributions, scenarios = ([table.model_dump(exclude_none=True) for table in given] for given in tables)
        return Scenarios(distributions, scenarios, self.discount)

    @staticmethod
    def faults_between_keys(tables: dict[str, Any]) -> list[Fault]:
        """What does not fit together; from the raw tables, so that it comes with the faults of single keys."""
        distributions, scenarios = (_tables(tables.get(key)) for key in ("distributions", "scenarios"))
        faults: list[Fault] = []
        for d, table in distributions.items():
            faults += check.prefixed(length_faults(table), f"distributions[{d}]")
        called = {s: table["name"] for s, table in scenarios.items() if isinstance(table.get("name"), str)}
        sequences = {s: table["sequence"] for s, table in scenarios.items() if _is_names(table.get("sequence"))}
        names = {d: table["name"] for d, table in distributions.items() if isinstance(table.get("name"), str)}
        return faults + faults_between(names, called, sequences)


def _tables(given: Any) -> dict[int, dict[str, Any]]:
    """Tables of a list by position."""
    return {i: table for i, table in enumerate(given) if isinstance(table, dict)} if isinstance(given, list) else {}


def _is_names(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(name, str) for name in given)
