"""Random instances of repeated sale: numbers of buyers, horizons and distributions drawn from stated laws.

Instance k of a seed is drawn by a generator of its own, so that it stays the same whatever the number of instances.
Values and probabilities are rounded to short decimals before anything is computed: every instance is exact.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray
from mechopt.modelfile.tables import Number, Table, Whole
from mechopt.study.search.worst_case import exact_probabilities, exact_values
from mechopt.study.sweep.key_paths import Tables

MOST = 1000
TRIES = 100
LARGEST_EXPONENT = 60.0

Law = dict[str, Fraction]
VALUE_LAWS: dict[str, Law] = {
    "uniform": {"low": Fraction(0), "high": Fraction(1)},
    "lognormal": {"mean": Fraction(0), "deviation": Fraction(1)},
    "steps": {"deviation": Fraction(1)},
}
"""Distributions of the values of a distribution with their parameters and defaults; values are sorted.

``uniform`` on [low, high]; ``lognormal``: exp of a normal; ``steps``: the lowest value and the steps between values are
exp of a normal with mean 0.
"""
PROBABILITY_LAWS: dict[str, Law] = {
    "dirichlet": {"concentration": Fraction(1)},
    "logits": {"deviation": Fraction(1)},
    "equal": {},
    "equal-revenue": {},
}
"""Distributions of the probabilities.

``dirichlet`` (1: uniform on the simplex); ``logits``: softmax of normals; ``equal``; ``equal-revenue``: the probability
of values from v on is (lowest value) / v, so that every price earns the same.
"""


def _as_list(given: Any) -> Any:
    return given if isinstance(given, list) else [given]


Wholes = Annotated[list[Annotated[Whole, Field(ge=1, le=MOST)]], BeforeValidator(_as_list), Field(min_length=1)]
Numbers = Annotated[list[Number], BeforeValidator(_as_list), Field(min_length=1)]


class LawTable(Table):
    """A law and its parameters; which ones it takes is said by `VALUE_LAWS` and `PROBABILITY_LAWS`."""

    law: str
    low: Number | None = None
    high: Number | None = None
    mean: Number | None = None
    deviation: Number | None = Field(None, description="above 0")
    concentration: Number | None = Field(None, description="above 0")


class FamilyTable(Table):
    """The ``[family]`` table of a study file; a list means one of its entries, each with the same chance."""

    kind: Literal["independent"] = "independent"
    count: Whole | None = Field(None, ge=1, description="number of instances")
    buyers: Wholes = Field([1], description="numbers of buyers")
    horizon: Wholes = Field([2], description="numbers of periods")
    types: Wholes = Field([2], description="numbers of types of a buyer in a period")
    discount: Numbers = Field([Fraction(1)], description="above 0, at most 1")
    cost: Numbers = Field([Fraction(0)], description="the seller's cost of a sale")
    values: LawTable = LawTable(law="uniform")
    probabilities: LawTable = LawTable(law="dirichlet")
    same_periods: bool = Field(False, strict=True, description="one distribution a buyer for all periods")
    same_buyers: bool = Field(False, strict=True, description="all buyers draw from the same distributions")

    def faults(self, where: str = "family") -> list[Fault]:
        """Laws that do not exist, and parameters that they do not take or that are out of range."""
        return [
            *_law_faults(self.values, VALUE_LAWS, f"{where}.values"),
            *_law_faults(self.probabilities, PROBABILITY_LAWS, f"{where}.probabilities"),
        ]

    def draw(self, seed: int, number: int) -> Tables:
        """Tables of the model file of one instance.

        Parameters
        ----------
        seed, number : int
            Of the study, and of the instance.

        Raises
        ------
        InputError
            If the distribution of values gives no distinct ones.
        """
        rng = np.random.default_rng([seed, number])
        buyers, horizon, types = (int(rng.choice(counts)) for counts in (self.buyers, self.horizon, self.types))
        discount, cost = (numbers[int(rng.integers(len(numbers)))] for numbers in (self.discount, self.cost))
        different = 1 if self.same_buyers else buyers
        tables = [self._buyer(rng, horizon, types) for _ in range(different)]
        if self.same_buyers and buyers > 1:
            tables[0]["count"] = buyers
        return {"kind": self.kind, "horizon": horizon, "discount": discount, "cost": cost, "buyers": tables}

    def _buyer(self, rng: np.random.Generator, horizon: int, types: int) -> Tables:
        if self.same_periods:
            return self._distribution(rng, types)
        return {"periods": [self._distribution(rng, types) for _ in range(horizon)]}

    def _distribution(self, rng: np.random.Generator, types: int) -> Tables:
        values = _drawn_values(rng, self.values, types)
        return {"values": values, "probabilities": _drawn_probabilities(rng, self.probabilities, values)}


def _law_faults(table: LawTable, laws: dict[str, Law], where: str) -> list[Fault]:
    if table.law not in laws:
        return [Fault(f"{where}.law", f"{table.law!r} is not a law", f"known: {', '.join(laws)}")]
    faults = []
    given = {
        key: getattr(table, key) for key in LawTable.model_fields if key != "law" and key in table.model_fields_set
    }
    for key in given.keys() - laws[table.law].keys():
        known = ", ".join(laws[table.law]) or "none"
        faults.append(Fault(f"{where}.{key}", f"is not a parameter of {table.law}", f"its parameters: {known}"))
    for key in ("deviation", "concentration"):
        if given.get(key, 1) <= 0:
            faults.append(Fault(f"{where}.{key}", f"is {given[key]}", "it must be above 0"))
    if table.law == "uniform":
        numbers = laws["uniform"] | given
        if numbers["low"] < 0:
            faults.append(Fault(f"{where}.low", f"is {numbers['low']}", "values must be at least 0"))
        if numbers["high"] <= numbers["low"]:
            faults.append(Fault(f"{where}.high", f"is {numbers['high']}", f"it must be above low, {numbers['low']}"))
    return faults


def _parameter(table: LawTable, laws: dict[str, Law], key: str) -> float:
    given = getattr(table, key)
    return float(laws[table.law][key] if given is None else given)


def _drawn_values(rng: np.random.Generator, table: LawTable, types: int) -> list[Fraction]:
    for _ in range(TRIES):
        values = _one_try(rng, table, types)
        if len(set(values)) == types:
            return values
    raise InputError([Fault("family.values", f"{TRIES} draws of {types} values were not distinct", "widen the law")])


def _one_try(rng: np.random.Generator, table: LawTable, types: int) -> list[Fraction]:
    if table.law == "steps":
        return exact_values(_parameter(table, VALUE_LAWS, "deviation") * rng.normal(size=types))
    if table.law == "lognormal":
        mean, deviation = (_parameter(table, VALUE_LAWS, key) for key in ("mean", "deviation"))
        drawn: FloatArray = np.exp(
            np.clip(mean + deviation * rng.normal(size=types), -LARGEST_EXPONENT, LARGEST_EXPONENT)
        )
    else:
        low, high = (_parameter(table, VALUE_LAWS, key) for key in ("low", "high"))
        drawn = low + (high - low) * rng.random(types)
    return sorted(Fraction(f"{value:.5g}") for value in drawn)


def _drawn_probabilities(rng: np.random.Generator, table: LawTable, values: list[Fraction]) -> list[Fraction]:
    types = len(values)
    if table.law == "equal":
        return [Fraction(1, types)] * types
    if table.law == "equal-revenue":
        tails = [Fraction(1), *(values[0] / value for value in values[1:])]
        return [tail - after for tail, after in zip(tails, [*tails[1:], Fraction(0)], strict=True)]
    if table.law == "logits":
        return exact_probabilities(_parameter(table, PROBABILITY_LAWS, "deviation") * rng.normal(size=types))
    concentration = _parameter(table, PROBABILITY_LAWS, "concentration")
    drawn = rng.dirichlet(np.full(types, concentration))
    return exact_probabilities(np.log(np.maximum(drawn, 1e-300)))
