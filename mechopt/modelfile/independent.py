"""kind = "independent": types independent across periods, one item a period."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from mechopt.core.errors import Fault, InputError
from mechopt.environment.discretise import METHODS, discretise, distribution_named
from mechopt.environment.families.forever import IndependentForever
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.reading import check
from mechopt.environment.reading.terms import discounts_of, options_of
from mechopt.environment.supply import read_slots
from mechopt.modelfile.tables import (
    DISCOUNT,
    OUTSIDE,
    SELLER_DISCOUNT,
    SUBJECT_TO,
    Cost,
    Number,
    Numbers,
    Option,
    OwnDiscount,
    PaymentNames,
    Probabilities,
    SolveTable,
    Table,
    Unread,
    Values,
    Whole,
    checked,
    exact_number,
    length_faults,
    own_discounts,
    whole,
    written,
)

MAX_BUYERS = 1000
SELLER_VALUES = "what a sale to each type is worth to the seller besides payment and cost, of any sign; default 0"


HORIZON = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "const": "infinite"}]}


def _horizon_faults(horizon: Any) -> list[Fault]:
    if isinstance(horizon, Unread):
        return [Fault("", horizon.message)]
    if isinstance(horizon, bool) or not isinstance(horizon, int):
        fix = 'write one such as 3, or "infinite"'
        return [] if horizon == "infinite" else [Fault("", f"{written(horizon)} is not a whole number", fix)]
    return check.horizon_faults(horizon, at="")


class PeriodTable(Table):
    """One period's distribution of a buyer."""

    values: Values = Field(description="at least 0, increasing")
    probabilities: Probabilities = Field(description="at least 0, sum to 1")
    seller_values: Numbers | None = Field(None, description=SELLER_VALUES)


class BuyerTable(Table):
    """A buyer: one distribution for all periods, or one table a period."""

    values: Values | None = Field(None, description="the same every period; at least 0, increasing")
    probabilities: Probabilities | None = Field(None, description="at least 0, sum to 1")
    seller_values: Numbers | None = Field(None, description=SELLER_VALUES)
    outside: Option = Field(None, description=OUTSIDE)
    discount: OwnDiscount = Field(None, description=DISCOUNT)
    periods: list[PeriodTable] | None = Field(None, strict=True, description="one table a period instead")
    distribution: str | None = Field(None, description='instead of both: such as "lognormal(0, 0.5)"')
    types: Whole | None = Field(None, description="how many types the distribution becomes")
    method: str | None = Field(None, description="the grid: quantile (default), equal-width or gauss")
    count: Whole = Field(1, ge=1, le=MAX_BUYERS, description="how many such buyers there are")


class IndependentFile(Table):
    """kind = "independent": types independent across periods, one item a period."""

    title: str = ""
    source: str = ""
    kind: Literal["independent"]
    horizon: Annotated[Any, BeforeValidator(whole), checked(_horizon_faults), WithJsonSchema(HORIZON)] = Field(
        description='number of periods, at least 1, or "infinite" with the same distributions in all'
    )
    discount: Annotated[Number, checked(partial(check.discount_faults, at=""))] = Field(
        Fraction(1), description="above 0, at most 1"
    )
    cost: Cost = Field(Fraction(0), description="the seller's cost of a sale, of any sign: one, or one a period")
    seller_discount: OwnDiscount = Field(None, description=SELLER_DISCOUNT)
    supply: Any = Field(1, description="units a period, of which each buyer wants one: one number, or one a period")
    slots: Any = Field(None, description="instead: weights of positions, the largest first, or one list a period")
    buyers: list[BuyerTable] = Field(min_length=1, strict=True)
    subject_to: PaymentNames | None = Field(None, description=SUBJECT_TO)
    solve: SolveTable = SolveTable()
    expected: dict[str, Any] = Field({}, description="results to compare with: keys of the JSON output joined by dots")

    def environment(self) -> IndependentTypes | IndependentForever:
        """Build the environment that the file describes."""
        if self.horizon == "infinite":
            return self._forever()
        values: list[Any] = []
        probabilities: list[Any] = []
        gains: list[Any] = []
        for buyer in self.buyers:
            if buyer.distribution is not None and buyer.types is not None:
                grid = discretise(buyer.distribution, buyer.types, buyer.method or METHODS[0])
                rows: tuple[list[Any], list[Any]]
                rows = [list(grid.values)] * self.horizon, [list(grid.probabilities)] * self.horizon
            elif buyer.periods is None:
                rows = [buyer.values] * self.horizon, [buyer.probabilities] * self.horizon
            else:
                rows = [table.values for table in buyer.periods], [table.probabilities for table in buyer.periods]
            values += [rows[0]] * buyer.count
            probabilities += [rows[1]] * buyer.count
            own = [buyer.seller_values] * self.horizon
            for t, table in enumerate(buyer.periods or ()):
                own[t] = own[t] if table.seller_values is None else table.seller_values
            gains += [own] * buyer.count
        discount, outside, discounts = self._terms()
        some = any(entry is not None for own in gains for entry in own)
        given = values, probabilities, self.cost, discount, gains if some else None
        return IndependentTypes(*given, self.slots, outside, discounts, supply=self.supply)

    def _terms(self) -> tuple[Any, list[Any] | None, list[Any] | None]:
        """The seller's discount, and by buyer outside options and discounts, None where no buyer gives any."""
        rows = [{"discount": buyer.discount, "outside": buyer.outside} for buyer in self.buyers]
        given = {"discount": self.discount, "seller_discount": self.seller_discount}
        discount, parts = own_discounts(given, rows, "buyers", [])
        found: list[list[Any] | None] = []
        for column in ([row["outside"] for row in rows], [part[0] for part in parts]):
            repeated = [entry for entry, buyer in zip(column, self.buyers, strict=True) for _ in range(buyer.count)]
            found.append(repeated if any(entry is not None for entry in repeated) else None)
        return discount, found[0], found[1]

    def _forever(self) -> IndependentForever:
        """One distribution a buyer, for every period."""
        values, probabilities = list[Any](), list[Any]()
        for buyer in self.buyers:
            row: tuple[Any, Any] = buyer.values, buyer.probabilities
            if buyer.distribution is not None and buyer.types is not None:
                grid = discretise(buyer.distribution, buyer.types, buyer.method or METHODS[0])
                row = list(grid.values), list(grid.probabilities)
            values += [row[0]] * buyer.count
            probabilities += [row[1]] * buyer.count
        return IndependentForever(values, probabilities, self.discount, self.cost)

    @staticmethod
    def faults_between_keys(tables: dict[str, Any]) -> list[Fault]:
        """Faults between keys; from the raw tables, so that they come with the faults of single keys."""
        faults: list[Fault] = []
        horizon, cost, buyers = whole(tables.get("horizon")), tables.get("cost"), tables.get("buyers")
        if horizon == "infinite":
            faults += _endless_faults(tables)
        periods = None if check.horizon_faults(horizon) else int(horizon)
        if periods is not None and isinstance(cost, list):
            faults += check.cost_length_faults(len(cost), periods)
        faults += _terms_faults(tables, buyers, periods)
        slots, supply = tables.get("slots"), tables.get("supply", 1)
        if "slots" in tables or "supply" in tables:
            read_slots(supply, slots, MAX_BUYERS, periods or 0, faults)
        listed = {i: b for i, b in enumerate(buyers if isinstance(buyers, list) else []) if isinstance(b, dict)}
        for i, buyer in listed.items():
            faults += check.prefixed(_buyer_faults(buyer, periods), f"buyers[{i}]")
        counts = (buyer.get("count", 1) for buyer in listed.values())
        count = sum(c for c in counts if type(c) is int and 1 <= c <= MAX_BUYERS)
        if count > MAX_BUYERS:
            faults.append(Fault("buyers", f"are more than {MAX_BUYERS}", "use fewer"))
        return faults + check.stages_faults(count, periods or 0)


def _endless_faults(tables: dict[str, Any]) -> list[Fault]:
    """Faults of a file without a last period."""
    faults, buyers = list[Fault](), tables.get("buyers")
    discount = tables.get("discount", 1)
    if isinstance(discount, (int, Fraction)) and discount >= 1:
        faults.append(Fault("discount", f"is {discount}", "an infinite horizon needs one below 1"))
    for key in ("supply", "slots", "seller_discount"):
        if tables.get(key, 1) not in (1, [1]):
            faults.append(Fault(key, "is for a finite horizon", "leave it out"))
    if isinstance(tables.get("cost"), list):
        faults.append(Fault("cost", "is a list over periods", "give one number, the same for ever"))
    for i, buyer in enumerate(buyers if isinstance(buyers, list) else []):
        for key in ("periods", "seller_values", "discount", "outside"):
            if isinstance(buyer, dict) and key in buyer:
                fix = "give values and probabilities, the same for ever" if key == "periods" else "leave it out"
                faults.append(Fault(f"buyers[{i}].{key}", "is for a finite horizon", fix))
    return faults


def _terms_faults(tables: dict[str, Any], buyers: Any, periods: int | None) -> list[Fault]:
    """Faults of discounts and outside options."""
    faults = list[Fault]()
    rows = [buyer if isinstance(buyer, dict) else {} for buyer in (buyers if isinstance(buyers, list) else [])]
    parts = own_discounts(tables, rows, "buyers", faults, exact_number)[1]
    if any(part[0] is not None for part in parts):
        discounts_of(parts, None, False, faults, exact_number)
    for i, buyer in enumerate(rows):
        if buyer.get("outside") is not None and periods is not None:
            tables_ = buyer.get("periods")
            values = (
                [t.get("values") if isinstance(t, dict) else None for t in tables_] if isinstance(tables_, list) else []
            )
            values = values if len(values) == periods else [buyer.get("values")] * periods
            if all(isinstance(row, list) and row for row in values):
                shape = [[len(row)] for row in values if isinstance(row, list)]
                options_of([(buyer["outside"], f"buyers[{i}].outside")], shape, False, faults, exact_number)
    return faults


def _buyer_faults(buyer: dict[str, Any], horizon: int | None) -> list[Fault]:
    """Keys of a buyer that are missing, exclude each other or differ in length."""
    given = [key for key in ("values", "probabilities") if key in buyer]
    if "distribution" in buyer:
        return _distribution_faults(buyer, [*given, *(["periods"] if "periods" in buyer else [])])
    alone = [key for key in ("types", "method") if key in buyer]
    if alone:
        return [Fault(alone[0], "is for a distribution", 'give distribution = "uniform(0, 1)", or leave it out')]
    if "periods" not in buyer:
        missing = [key for key in ("values", "probabilities") if key not in buyer]
        fix = "give values and probabilities, or a table a period"
        wrong = [*length_faults(buyer), *_gains_faults(buyer, buyer.get("values"))]
        return [*(Fault(key, "is missing", fix) for key in missing), *wrong]
    faults = [Fault("", "has both periods and values or probabilities", "give one or the other")] if given else []
    periods = buyer["periods"]
    if isinstance(periods, list):
        if horizon is not None and len(periods) != horizon:
            what = f"has {len(periods)} tables, horizon is {horizon}"
            faults.append(Fault("periods", what, "give one table a period"))
        for t, table in enumerate(periods):
            faults += check.prefixed(length_faults(table), f"periods[{t}]")
            own = table if isinstance(table, dict) else {}
            faults += check.prefixed(_gains_faults(own, own.get("values")), f"periods[{t}]")
            if "seller_values" not in own:
                faults += _gains_faults(buyer, own.get("values"))
    return list(dict.fromkeys(faults))


def _gains_faults(table: dict[str, Any], values: Any) -> list[Fault]:
    """Check that a table says of as many types what they are worth to the seller as it has values."""
    gains = table.get("seller_values")
    if not isinstance(gains, list) or not isinstance(values, list) or len(gains) == len(values):
        return []
    return [Fault("seller_values", f"has {len(gains)} entries for {len(values)} types", "give one a type")]


def _distribution_faults(buyer: dict[str, Any], given: list[str]) -> list[Fault]:
    """Faults that keep a buyer's distribution from becoming types."""
    if given:
        return [Fault("distribution", f"stands beside {', '.join(given)}", "give one or the other")]
    types = whole(buyer.get("types"))
    if "types" not in buyer:
        return [Fault("types", "is missing", "say how many types the distribution becomes, such as types = 8")]
    named, method = buyer["distribution"], buyer.get("method", METHODS[0])
    if not isinstance(named, str) or not isinstance(method, str) or type(types) is not int:
        return []  # the keys' own faults say it
    try:
        dist = distribution_named(named)
    except InputError as error:
        return check.prefixed(list(error.faults), "distribution")
    try:
        values = discretise(dist, types, method).values
    except InputError as error:
        return [Fault("distribution" if f.where == "dist" else f.where, f.what, f.fix) for f in error.faults]
    what = f"has a type of value {float(values[0]):g} on this grid"
    fix = "values must be at least 0; try another distribution"
    negative = [] if values[0] >= 0 else [Fault("distribution", what, fix)]
    return [*negative, *_gains_faults(buyer, list(values))]
