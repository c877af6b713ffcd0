"""Not knowing the future, as a constraint on what a mechanism does in several scenarios.

In period t the seller knows the distributions of the periods up to t and the reports up to t. A mechanism *rule* says
what happens in every scenario; it is non-clairvoyant if two scenarios whose first distributions agree are treated alike
as long as they do: the same allocation and payments at every history of reports. Source: Mirrokni, Paes Leme, Tang and
Zuo (2020), section 5; the second constraint is that of supplement B.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from mechopt.mechanism.constraints import Constraint


@dataclass(frozen=True)
class NonClairvoyant(Constraint):
    """Demand that a period depends on the distributions and reports up to it, and on nothing else.

    It is a constraint on the mechanisms of several scenarios together: `mechopt.verify` checks it of a
    `ScenariosMechanism`. The ``gain`` of its check is the largest difference between two scenarios: of a probability of
    getting the item, or of a payment, as a share of the largest present value of a buyer (the least over the scenarios
    of one prefix).
    """

    name = "non-clairvoyant"
    role = "scenarios"
    types = "scenarios"


@dataclass(frozen=True)
class QuasiNonClairvoyant(Constraint):
    """The same, but that the seller is told which period is the last (supplement B.1)."""

    name = "quasi-non-clairvoyant"
    role = "scenarios"
    types = "scenarios"


SCENARIO_CONSTRAINTS: tuple[Constraint, ...] = (NonClairvoyant(), QuasiNonClairvoyant())
"""Constraints on the mechanisms of several scenarios together."""
