"""Objectives: weighted sums of revenue, welfare and the agents' utility."""

from __future__ import annotations

from dataclasses import dataclass

from mechopt.core.errors import InputError


@dataclass(frozen=True)
class Objective:
    """A weighted sum to maximise: ``revenue`` + ``welfare`` + the agents' ``utility``, with these weights.

    Revenue is net of the seller's costs, so that welfare = revenue + sum of utilities; where discounts differ, welfare
    counts each agent's values at her own discount and costs at the seller's, and payments, which the two sides count
    differently, not at all. Objectives add and scale: ``Revenue() + 0.5 * Welfare()``.

    Parameters
    ----------
    revenue, welfare : float
        Weights.
    utility : float
        Weight of every agent's utility.
    """

    revenue: float = 0.0
    welfare: float = 0.0
    utility: float = 0.0

    def __add__(self, other: Objective) -> Objective:
        return Objective(self.revenue + other.revenue, self.welfare + other.welfare, self.utility + other.utility)

    def __rmul__(self, weight: float) -> Objective:
        return Objective(weight * self.revenue, weight * self.welfare, weight * self.utility)

    def __str__(self) -> str:
        parts = (("revenue", self.revenue), ("welfare", self.welfare), ("utility", self.utility))
        return "+".join(name if w == 1 else f"{w:g}*{name}" for name, w in parts if w) or "0*revenue"


def Revenue() -> Objective:
    """Expected present value of payments net of the seller's costs."""
    return Objective(revenue=1.0)


def Welfare() -> Objective:
    """Expected present value of the values of what is sold net of costs."""
    return Objective(welfare=1.0)


def Utility() -> Objective:
    """Sum of the agents' expected utilities."""
    return Objective(utility=1.0)


def as_objective(given: Objective | str) -> Objective:
    """An objective, or one by its name on the command line.

    Examples
    --------
    >>> as_objective("revenue+0.5*welfare") == as_objective(Revenue() + 0.5 * Welfare())
    True

    Raises
    ------
    InputError
        If it is neither.
    """
    if isinstance(given, str):
        return parse_objective(given)
    if not isinstance(given, Objective):
        example = "mo.Revenue() + 0.5 * mo.Welfare(), or 'revenue+0.5*welfare'"
        raise InputError(f"objective={given!r} is not an objective; write for example {example}")
    return given


def parse_objective(text: str) -> Objective:
    """Read ``"revenue"``, ``"welfare"``, ``"utility"`` or a sum such as ``"revenue+0.5*welfare"``.

    Examples
    --------
    >>> parse_objective("revenue+0.5*welfare")
    Objective(revenue=1.0, welfare=0.5, utility=0.0)

    Raises
    ------
    InputError
        If the text is no such sum.
    """
    from mechopt.core.numbers import parse_exact

    names = {"revenue": Revenue(), "welfare": Welfare(), "utility": Utility()}
    total = Objective()
    for term in text.split("+"):
        weight, _, name = term.rpartition("*")
        try:
            total += float(parse_exact(weight or "1")) * names[name.strip()]
        except (KeyError, ValueError):
            raise InputError(
                f"objective {text!r}: cannot read {term!r}; write revenue, welfare, utility or revenue+0.5*welfare"
            ) from None
    return total
