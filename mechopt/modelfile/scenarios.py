"""kind = "scenarios": what a non-clairvoyant seller may face."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from mechopt.core.errors import Fault
from mechopt.environment.reading import check
from mechopt.environment.reading.scenarios import faults_between, other_names, weights_faults
from mechopt.environment.scenarios import Scenarios
from mechopt.modelfile.tables import (
    SUBJECT_TO,
    Number,
    PaymentNames,
    Probabilities,
    Table,
    Values,
    Whole,
    checked,
    length_faults,
    parse_ic,
    parse_ir,
    unreadable,
)

MAX_BUYERS = 1000
Name = Annotated[str, Field(min_length=1)]
COST_TAGS = "one (number)", "each (name)"
SaleCost = Annotated[
    Annotated[Number, Tag(COST_TAGS[0])] | Annotated[dict[str, Number], Tag(COST_TAGS[1])],
    Discriminator(lambda given: COST_TAGS[isinstance(given, dict)]),
]


class DistributionTable(Table):
    """One distribution of the buyer's type in a period."""

    name: Name = Field(description="by which scenarios call it")
    values: Values = Field(description="at least 0, increasing")
    probabilities: Probabilities = Field(description="at least 0, sum to 1")


class ScenarioBuyerTable(Table):
    """A buyer and the distributions of her types, one a name."""

    distributions: list[DistributionTable] = Field(
        min_length=1, strict=True, description="of the same names for every buyer"
    )
    count: Whole = Field(1, ge=1, le=MAX_BUYERS, description="how many such buyers there are")


class ScenarioTable(Table):
    """One future that the seller may face."""

    sequence: list[Name] = Field(strict=True, description="names of distributions, one a period")
    name: Name | None = Field(None, description="default: the names of the sequence")


class ScenarioSolveTable(Table):
    """Defaults of ``mechopt maximin`` for this file."""

    ic: Annotated[str, checked(unreadable(parse_ic))] | None = Field(
        None, description="incentive constraints, joined by +"
    )
    ir: Annotated[str, checked(unreadable(parse_ir))] | None = Field(
        None, description="participation constraints, joined by +"
    )
    objective: Literal["ratio", "weighted", "regret"] = Field("ratio", description="ratio, weighted or regret")
    benchmark: Literal["same", "standard"] = Field("same", description="constraints of the clairvoyant seller")
    subject_to: PaymentNames | None = Field(None, description=SUBJECT_TO)


class ScenariosFile(Table):
    """kind = "scenarios": what a non-clairvoyant seller may face."""

    title: str = ""
    source: str = ""
    kind: Literal["scenarios"]
    discount: Annotated[Number, checked(partial(check.discount_faults, at=""))] = Field(
        Fraction(1), description="above 0, at most 1"
    )
    cost: SaleCost = Field(
        Fraction(0), description="the seller's cost of a sale: one, or a table by name of the distribution"
    )
    distributions: list[DistributionTable] | None = Field(
        None, min_length=1, strict=True, description="of one buyer; several have theirs under buyers"
    )
    buyers: list[ScenarioBuyerTable] | None = Field(None, min_length=1, strict=True)
    weights: Annotated[list[Number], checked(weights_faults)] | None = Field(
        None, strict=True, description="of the scenarios; default 1 each"
    )
    scenarios: list[ScenarioTable] = Field(min_length=1, strict=True)
    absorbing: list[Name] = Field(
        [],
        strict=True,
        description="distributions of a sure 0 that stand for last periods which take out everything",
    )
    subject_to: PaymentNames | None = Field(None, description=SUBJECT_TO)
    solve: ScenarioSolveTable = ScenarioSolveTable()
    expected: dict[str, Any] = Field({}, description="results to compare with: keys of the JSON output joined by dots")

    def environment(self) -> Scenarios:
        """Build the scenarios that the file describes."""
        buyers = [
            [table.model_dump() for table in buyer.distributions]
            for buyer in self.buyers or ()
            for _ in range(buyer.count)
        ] or [[table.model_dump() for table in self.distributions or ()]]
        scenarios = [table.model_dump(exclude_none=True) for table in self.scenarios]
        return Scenarios(buyers[0], scenarios, self.discount, buyers[1:], self.cost, self.weights, self.absorbing)

    @staticmethod
    def faults_between_keys(tables: dict[str, Any]) -> list[Fault]:
        """Faults between keys; from the raw tables, so that they come with the faults of single keys."""
        scenarios, buyers = (_tables(tables.get(key)) for key in ("scenarios", "buyers"))
        faults: list[Fault] = []
        places = [("", tables)] if "distributions" in tables or "buyers" not in tables else []
        places += [(f"buyers[{b}].", table) for b, table in buyers.items()]
        if "distributions" not in tables and "buyers" not in tables:
            faults.append(Fault("distributions", "are missing", "give those of one buyer, or [[buyers]] with theirs"))
        if "distributions" in tables and "buyers" in tables:
            faults.append(Fault("distributions", "stand beside buyers", "write those of every buyer under [[buyers]]"))
        named = [_named(table.get("distributions"), where, faults) for where, table in places]
        for (where, _), others in zip(places[1:], named[1:], strict=True):
            if wrong := sorted(set(others.values()) ^ set(named[0].values())):
                faults.append(Fault(f"{where}distributions", *other_names(wrong)))
        called = {s: table["name"] for s, table in scenarios.items() if isinstance(table.get("name"), str)}
        sequences = {s: table["sequence"] for s, table in scenarios.items() if _is_names(table.get("sequence"))}
        names = named[0] if named else {}
        if isinstance(tables.get("cost"), dict):
            known = set(names.values())
            unknown = [name for name in tables["cost"] if name not in known]
            faults += [Fault(f"cost.{name}", "is not the name of a distribution", "name one") for name in unknown]
        weights = tables.get("weights")
        if isinstance(weights, list) and len(weights) != len(scenarios):
            what = f"are {len(weights)} of {len(scenarios)} scenarios"
            faults.append(Fault("weights", what, "give one a scenario"))
        return faults + faults_between(names, called, sequences)


def _named(given: Any, where: str, faults: list[Fault]) -> dict[int, str]:
    """Names of distributions by position; appends a fault for each with other lengths of values and probabilities."""
    distributions = _tables(given)
    for d, table in distributions.items():
        faults += check.prefixed(length_faults(table), f"{where}distributions[{d}]")
    return {d: table["name"] for d, table in distributions.items() if isinstance(table.get("name"), str)}


def _tables(given: Any) -> dict[int, dict[str, Any]]:
    """Tables of a list by position."""
    return {i: table for i, table in enumerate(given) if isinstance(table, dict)} if isinstance(given, list) else {}


def _is_names(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(name, str) for name in given)
