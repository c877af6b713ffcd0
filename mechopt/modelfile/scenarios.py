"""kind = "scenarios": what a non-clairvoyant seller may face (one buyer)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from mechopt.core.errors import Fault, InputError
from mechopt.environment.scenarios import Scenarios
from mechopt.modelfile.tables import Number, Table, raise_faults


class DistributionTable(Table):
    """One distribution of the buyer's type in a period."""

    name: str = Field(description="by which scenarios call it")
    values: list[Number] = Field(description="at least 0, increasing")
    probabilities: list[Number] = Field(description="at least 0, sum to 1")


class ScenarioTable(Table):
    """One future that the seller may face."""

    sequence: list[str] = Field(description="names of distributions, one a period")
    name: str | None = Field(None, description="default: the sequence's names")


class ScenariosFile(Table):
    """kind = "scenarios": what a non-clairvoyant seller may face (one buyer)."""

    title: str = ""
    source: str = ""
    kind: Literal["scenarios"]
    discount: Number = Field(Fraction(1), description="above 0, at most 1")
    distributions: list[DistributionTable] = Field(min_length=1)
    scenarios: list[ScenarioTable] = Field(min_length=1)
    expected: dict[str, Any] = Field({}, description="results to compare with: keys of the JSON output joined by dots")

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            self.environment()
        except InputError as error:
            raise_faults(list(error.faults))
        return self

    @staticmethod
    def faults_between_keys(tables: dict[str, Any]) -> list[Fault]:
        """None: the constructor of `Scenarios` finds them."""
        return []

    def environment(self) -> Scenarios:
        """Build the scenarios that the file describes."""
        tables = (self.distributions, self.scenarios)
        distributions, scenarios = ([table.model_dump(exclude_none=True) for table in given] for given in tables)
        return Scenarios(distributions, scenarios, self.discount)
