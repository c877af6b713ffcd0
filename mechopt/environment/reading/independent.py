"""Exact numbers of an environment whose types are independent across periods, with every fault at once."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from mechopt.core.errors import Fault
from mechopt.environment.reading import check
from mechopt.environment.reading.seller import gains_by_buyer
from mechopt.environment.reading.terms import discounts_of, options_of, parts_of
from mechopt.environment.supply import Slots, read_slots

ExactNested = tuple[tuple[tuple[Fraction, ...], ...], ...]


class ExactIndependent(NamedTuple):
    """The exact numbers of an instance, in the layout of its arrays."""

    values: ExactNested
    probabilities: ExactNested
    cost: tuple[Fraction, ...]
    discount: Fraction
    seller_values: ExactNested | None = None
    slots: Slots | None = None
    outside: ExactNested | None = None
    discounts: tuple[Fraction, ...] | None = None


def read_independent(
    values: Any,
    probabilities: Any,
    cost: Any,
    discount: Any,
    seller_values: Any = None,
    supply: Any = 1,
    slots: Any = None,
    outside: Any = None,
    discounts: Any = None,
) -> tuple[ExactIndependent | None, bool, list[Fault]]:
    """Exact numbers or None, whether they are what was meant, and every fault."""
    faults: list[Fault] = []
    exact_values, exact_probabilities, is_exact = _nested(values, probabilities, faults)
    periods = len(exact_values[0]) if exact_values else 0
    if not faults:
        faults += check.horizon_faults(periods) or check.stages_faults(len(exact_values), periods)
    for i, row in enumerate(exact_values):
        if len(row) != periods:
            what = f"has {len(row)} periods, buyer 0 has {periods}"
            faults.append(Fault(f"values[{i}]", what, "give all the same"))
    exact_cost = _costs(cost, periods, faults)
    gains = gains_by_buyer(seller_values, exact_values, faults) if seller_values is not None and exact_values else None
    one = slots is None and type(supply) is int and supply == 1
    weights = None if one else read_slots(supply, slots, len(exact_values) or 1, periods, faults)
    exact_discount = check.exact_scalar(discount, "discount", faults)
    options, own, buyers = None, None, len(exact_values)
    if outside is not None and buyers:
        shape = [[len(row[t]) for row in exact_values if t < len(row)] for t in range(periods)]
        parts = parts_of(outside, "outside", buyers, faults)
        options = options_of(parts, shape, False, faults) if not faults else None
    if discounts is not None and buyers:
        own = discounts_of(parts_of(discounts, "discounts", buyers, faults), exact_discount, False, faults)
    if exact_discount is not None:
        faults += check.discount_faults(exact_discount)
    if faults or exact_discount is None:
        return None, False, faults
    found = exact_values, exact_probabilities, exact_cost, exact_discount, gains, weights, options, own
    return ExactIndependent(*found), is_exact, []


def _nested(values: Any, probabilities: Any, faults: list[Fault]) -> tuple[ExactNested, ExactNested, bool]:
    """Exact ``[i][t][k]`` numbers of both, each distinct distribution checked once; and whether they are exact."""
    before = len(faults)
    for name, nested in (("values", values), ("probabilities", probabilities)):
        if not check.is_list(nested) or len(nested) == 0 or not all(map(check.is_list, nested)):
            faults.append(Fault(name, "is not a list over buyers of lists over periods", "see IndependentTypes.iid"))
    if len(faults) == before and len(values) != len(probabilities):
        faults.append(Fault("probabilities", f"is for {len(probabilities)} buyers, values for {len(values)}"))
    if len(faults) > before:
        return (), (), False
    is_exact, seen = True, dict[tuple[int, int], tuple[Any, Any]]()
    alive = []  # ids stay taken only as long as what they belong to: the rows of an array are made on the way
    all_values, all_probabilities = [], []
    for i, (value_row, probability_row) in enumerate(zip(values, probabilities, strict=True)):
        if len(value_row) != len(probability_row):
            faults.append(
                Fault(f"probabilities[{i}]", f"has {len(probability_row)} periods, values[{i}] has {len(value_row)}")
            )
            continue
        row = []
        for t, (v, p) in enumerate(zip(value_row, probability_row, strict=True)):
            if (id(v), id(p)) not in seen:
                at_v, at_p = f"values[{i}][{t}]", f"probabilities[{i}][{t}]"
                v_exact, p_exact = check.exact_list(v, at_v, faults), check.exact_list(p, at_p, faults)
                if v_exact is not None:
                    faults += check.values_faults(v_exact, at_v)
                if p_exact is not None:
                    faults += check.probabilities_faults(p_exact, at_p, check.is_float_like(p))
                    is_exact &= sum(p_exact) == 1
                if v_exact is not None and p_exact is not None:
                    faults += check.length_faults(len(v_exact), len(p_exact), at_p)
                seen[id(v), id(p)] = (tuple(v_exact or ()), tuple(p_exact or ()))
                alive.append((v, p))
            row.append(seen[id(v), id(p)])
        all_values.append(tuple(v for v, _ in row))
        all_probabilities.append(tuple(p for _, p in row))
    return tuple(all_values), tuple(all_probabilities), is_exact


def _costs(given: Any, periods: int, faults: list[Fault]) -> tuple[Fraction, ...]:
    """The seller's cost by period: one number for all, or a list."""
    if not check.is_list(given):
        number = check.exact_scalar(given, "cost", faults)
        return (number or Fraction(0),) * periods
    cost = check.exact_list(given, "cost", faults) or []
    if periods and len(given) != periods:
        faults += check.cost_length_faults(len(given), periods)
    return tuple(cost)
