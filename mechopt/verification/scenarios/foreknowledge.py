"""Whether mechanisms of several scenarios are the same as long as the seller cannot tell the scenarios apart.

The scenarios of one prefix of distributions are compared at every history of reports and report of the period; types
of probability zero count. Differences of probabilities are taken as they are, those of payments in present value over
the largest present value of a buyer in the scenarios of the prefix (the least of them; 1 where nothing has a value).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from mechopt.core.numbers import VERIFY_TOLERANCE, FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.scenarios.non_clairvoyant import QuasiNonClairvoyant
from mechopt.verification.independent.replay import Counterexample, Replayable
from mechopt.verification.report import ConstraintCheck
from mechopt.verification.rounding import ExactVerdict, Precision, Verdict, largest_value

PARTS = ("allocation", "payment")


@dataclass(frozen=True)
class Foreknowledge(Counterexample):
    """Two scenarios that a mechanism tells apart before the seller can, and the history where it does.

    Attributes
    ----------
    scenarios : pair of str
        Names.
    prefix : tuple of str
        Names of the distributions up to the period, the same in both.
    reports : tuple of int
        Of the period, by buyer.
    what : str
        ``"allocation"`` or ``"payment"`` (money of its period).
    amounts : pair of float
        What it is in each of the two.
    """

    scenarios: tuple[str, str] = ("", "")
    prefix: tuple[str, ...] = ()
    reports: tuple[int, ...] = ()
    what: str = PARTS[0]
    amounts: tuple[float, float] = (0.0, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {"scenarios": list(self.scenarios), "prefix": list(self.prefix), "agent": self.agent}
        plain |= {"period": self.period, "history": [list(r) for r in self.history], "reports": list(self.reports)}
        return plain | {"what": self.what, "amounts": list(self.amounts), "gain": self.gain}

    def __str__(self) -> str:
        first, second = self.scenarios
        history = [r[0] if len(r) == 1 else list(r) for r in self.history]
        return (
            f"scenarios {first!r} and {second!r} after {', '.join(self.prefix)}, agent {self.agent}, period "
            f"{self.period}, after history {history}, reports {list(self.reports)}: {self.what} "
            f"{self.amounts[0]:.6g} and {self.amounts[1]:.6g}"
        )

    def replay(self, mechanism: Replayable) -> float:
        """Amount of one of the two mechanisms there; ``amounts`` has it."""
        assert isinstance(mechanism, Mechanism)
        at = (self.agent, mechanism.tree.node(self.history), *self.reports)
        return float(getattr(mechanism, self.what)[self.period][at])


class Node(NamedTuple):
    """Scenarios that have the same distributions up to a period."""

    period: int
    members: tuple[int, ...]


def nodes(prefixes: Sequence[Sequence[Hashable]], knows_last: bool) -> tuple[Node, ...]:
    """Nodes that several scenarios go through.

    Parameters
    ----------
    prefixes : sequence over scenarios of sequences over periods
        What stands for the distribution of each period.
    knows_last : bool
        Whether a scenario that ends is told from one that does not.
    """
    found: dict[Hashable, list[int]] = {}
    for s, sequence in enumerate(prefixes):
        for t in range(len(sequence)):
            key = tuple(sequence[: t + 1]), knows_last and t + 1 == len(sequence)
            found.setdefault(key, []).append(s)
    by_period = [(len(key[0]) - 1, tuple(members)) for key, members in found.items() if len(members) > 1]  # type: ignore[index]
    return tuple(Node(*entry) for entry in sorted(by_period))


def check_foreknowledge(
    constraint: Constraint,
    mechanisms: Sequence[Mechanism],
    names: Sequence[str],
    prefixes: Sequence[Sequence[Hashable]],
    exact: bool = False,
) -> ConstraintCheck:
    """Check `NonClairvoyant` or `QuasiNonClairvoyant`.

    Parameters
    ----------
    constraint : Constraint
    mechanisms : sequence of Mechanism
        By scenario; equal prefixes have equal distributions.
    names : sequence of str
        Of the scenarios.
    prefixes : sequence over scenarios of sequences over periods
        What the distribution of each period is called.
    exact : bool
        Whether differences are taken in fractions.
    """
    compared = nodes(prefixes, constraint == QuasiNonClairvoyant())
    if exact:
        answer, place = _exact(mechanisms, compared)
    else:
        answer, place = _floats(mechanisms, compared)
    counterexample = None
    if place is not None:
        node, what, *at = place
        counterexample = _example(constraint, mechanisms, names, prefixes, compared[node], PARTS[what], at, answer.gain)
    return ConstraintCheck.of(answer, VERIFY_TOLERANCE, counterexample)


def _stacked(mechanisms: Sequence[Mechanism], node: Node, what: str) -> FloatArray:
    """``(scenarios of the node, n, histories, *types)``."""
    return np.stack([getattr(mechanisms[s], what)[node.period] for s in node.members])


def _scale(mechanisms: Sequence[Mechanism], node: Node) -> float:
    return min((v for s in node.members if (v := largest_value(mechanisms[s].environment)) > 0), default=1.0)


def _discount(environment: IndependentTypes) -> Fraction:
    return environment.exact.discount if environment.exact is not None else Fraction(environment.discount)


def _exact_scale(mechanisms: Sequence[Mechanism], node: Node) -> Fraction:
    """The same scale in fractions."""
    found = []
    for env in (mechanisms[s].environment for s in node.members):
        rows: Any = env.exact.values if env.exact is not None else env.values
        totals = (sum((_discount(env) ** t * Fraction(max(v)) for t, v in enumerate(row)), Fraction()) for row in rows)
        found.append(max(totals))
    return min((v for v in found if v > 0), default=Fraction(1))


def _floats(mechanisms: Sequence[Mechanism], compared: Sequence[Node]) -> tuple[Any, tuple[int, ...] | None]:
    verdict, places = Verdict(VERIFY_TOLERANCE), list[tuple[int, int, tuple[int, ...]]]()
    for number, node in enumerate(compared):
        worth = float(mechanisms[node.members[0]].environment.present_value[node.period])
        for w, what in enumerate(PARTS):
            stacked = _stacked(mechanisms, node, what)
            weight = worth / _scale(mechanisms, node) if what == "payment" else 1.0
            high, low = stacked.max(axis=0), stacked.min(axis=0)
            rounded = Precision.of(node.period + 8, float(np.abs(stacked).max()))
            with np.errstate(all="ignore"):
                verdict.add(weight * (high - low), rounded.bound(weight * (np.abs(high) + np.abs(low))))
            places.append((number, w, high.shape))
    answer = verdict.answer
    if answer.place is None:
        return answer, None
    number, w, shape = places[answer.place[0]]
    return answer, (number, w, *(int(p) for p in np.unravel_index(answer.place[1], shape)))


def _exact(mechanisms: Sequence[Mechanism], compared: Sequence[Node]) -> tuple[Any, tuple[int, ...] | None]:
    verdict = ExactVerdict(VERIFY_TOLERANCE)
    for number, node in enumerate(compared):
        env = mechanisms[node.members[0]].environment
        weight = _discount(env) ** node.period / _exact_scale(mechanisms, node)
        for w, what in enumerate(PARTS):
            stacked = _stacked(mechanisms, node, what)
            high, low = stacked.max(axis=0), stacked.min(axis=0)
            for at in zip(*np.nonzero(high != low), strict=True):
                gain = Fraction(float(high[at])) - Fraction(float(low[at]))
                verdict.add(gain * (weight if what == "payment" else 1), (number, w, *map(int, at)))
    return verdict.answer, verdict.place


def _example(
    constraint: Constraint,
    mechanisms: Sequence[Mechanism],
    names: Sequence[str],
    prefixes: Sequence[Sequence[Hashable]],
    node: Node,
    what: str,
    at: Sequence[int],
    gain: float,
) -> Foreknowledge:
    amounts = np.array([getattr(mechanisms[s], what)[node.period][tuple(at)] for s in node.members])
    first, second = sorted((int(amounts.argmax()), int(amounts.argmin())))
    agent, history, *reports = at
    s, other = node.members[first], node.members[second]
    return Foreknowledge(
        constraint,
        agent,
        node.period,
        mechanisms[s].tree.history(node.period, history),
        None,
        None,
        gain,
        scenarios=(names[s], names[other]),
        prefix=tuple(map(str, prefixes[s][: node.period + 1])),
        reports=tuple(reports),
        what=what,
        amounts=(float(amounts[first]), float(amounts[second])),
    )
