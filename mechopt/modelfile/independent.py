"""kind = "independent": types drawn afresh every period, one item a period."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from mechopt.core.errors import Fault
from mechopt.environment import check
from mechopt.environment.independent import IndependentTypes
from mechopt.modelfile.tables import Cost, Number, SolveTable, Table, raise_faults

MAX_BUYERS = 1000


class PeriodTable(Table):
    """One period's distribution of a buyer."""

    values: list[Number] = Field(description="at least 0, increasing")
    probabilities: list[Number] = Field(description="at least 0, sum to 1")

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_faults(check.distribution_faults(self.values, self.probabilities))
        return self


class BuyerTable(Table):
    """A buyer: one distribution for all periods, or one table a period."""

    values: list[Number] | None = Field(None, description="the same every period; at least 0, increasing")
    probabilities: list[Number] | None = Field(None, description="at least 0, sum to 1")
    periods: list[PeriodTable] | None = Field(None, description="one table a period instead")
    count: int = Field(1, ge=1, le=MAX_BUYERS, strict=True, description="how many such buyers there are")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.periods is not None:
            if self.values is not None or self.probabilities is not None:
                raise_faults([Fault("", "has both periods and values or probabilities", "give one or the other")])
        elif self.values is None or self.probabilities is None:
            missing = "values" if self.values is None else "probabilities"
            raise_faults([Fault(missing, "is missing", "give values and probabilities, or a table a period")])
        else:
            raise_faults(check.distribution_faults(self.values, self.probabilities))
        return self


class IndependentFile(Table):
    """kind = "independent": types drawn afresh every period, one item a period."""

    title: str = ""
    source: str = ""
    kind: Literal["independent"]
    horizon: int = Field(strict=True, description="number of periods, at least 1")
    discount: Number = Field(Fraction(1), description="above 0, at most 1")
    cost: Cost = Field(Fraction(0), description="the seller's cost of a sale: one, or one a period")
    buyers: list[BuyerTable] = Field(min_length=1)
    solve: SolveTable = SolveTable()
    expected: dict[str, Any] = Field({}, description="results to compare with: keys of the JSON output joined by dots")

    @model_validator(mode="after")
    def _check(self) -> Self:
        faults = check.horizon_faults(self.horizon) + check.discount_faults(self.discount)
        if not faults:
            cost = self.cost if isinstance(self.cost, list) else [self.cost] * self.horizon
            faults += check.cost_faults(cost, self.horizon)
        for i, buyer in enumerate(self.buyers):
            if buyer.periods is not None and len(buyer.periods) != self.horizon:
                what = f"has {len(buyer.periods)} tables, horizon is {self.horizon}"
                faults.append(Fault(f"buyers[{i}].periods", what, "give one table a period"))
        if sum(buyer.count for buyer in self.buyers) > MAX_BUYERS:
            faults.append(Fault("buyers", f"are more than {MAX_BUYERS}", "use fewer"))
        raise_faults(faults)
        return self

    def environment(self) -> IndependentTypes:
        """Build the environment that the file describes."""
        values: list[Any] = []
        probabilities: list[Any] = []
        for buyer in self.buyers:
            if buyer.periods is None:
                rows = [buyer.values] * self.horizon, [buyer.probabilities] * self.horizon
            else:
                rows = [table.values for table in buyer.periods], [table.probabilities for table in buyer.periods]
            values += [rows[0]] * buyer.count
            probabilities += [rows[1]] * buyer.count
        return IndependentTypes(values, probabilities, self.cost, self.discount)
