"""The report of a check, constraint by constraint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from mechopt.core.provided import provided
from mechopt.core.shown import Shown
from mechopt.mechanism.constraint_names import constraint_named
from mechopt.mechanism.constraints import Constraint
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.rounding import Answer, Status

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ConstraintCheck:
    """How one constraint fares.

    Attributes
    ----------
    status : Status
        ``"satisfied"``, ``"violated"`` or ``"undecided"``; see `mechopt.verification.rounding`.
    gain : float
        Largest violation in present value, 0 where there is none.
    rounding : float
        Bound of the rounding of ``gain``; 0 where it was computed in fractions.
    tolerance : float
        Largest gain that counts as none: `VERIFY_TOLERANCE` times the largest present value of an agent's values; of
        contingent transfers, of her values from the period of the worst gain on.
    counterexample : Counterexample or None
        Where the violation is, or what is undecided; None where satisfied.
    strategy_gain : float or None
        For DIC: the largest gain of any strategy of present and later misreports. Where one-shot misreports gain
        nothing, neither do strategies. For incentive constraints of persistent types: that of any strategy from
        contracting on, or for periodic ex post ones from any history on, the others' current types being known; local
        misreports may gain nothing where strategies do.
    exact : Fraction or None
        The gain, where it was computed in fractions.
    allowance : float or None
        What misreports may gain, where `EpsilonIC` stands beside: the largest of the agents' amounts, where violated
        that of the counterexample's.
    """

    status: Status
    gain: float
    rounding: float
    tolerance: float
    counterexample: Counterexample | None = None
    strategy_gain: float | None = None
    exact: Fraction | None = None
    allowance: float | None = None

    @classmethod
    def of(
        cls,
        answer: Answer,
        tolerance: float,
        counterexample: Counterexample | None,
        strategy_gain: float | None = None,
    ) -> ConstraintCheck:
        """Put a verdict and its place together."""
        shown = None if answer.status is Status.SATISFIED else counterexample
        return cls(answer.status, answer.gain, answer.rounding, tolerance, shown, strategy_gain, answer.exact)

    @property
    def within(self) -> str:
        """Tolerance in words; empty where there is none."""
        if self.allowance is None:
            return ""
        return (
            f" {'<=' if self.holds else '>' if self.status is Status.VIOLATED else 'or'} epsilon {self.allowance:.3g}"
        )

    @property
    def holds(self) -> bool:
        """Whether the constraint is satisfied for certain."""
        return self.status is Status.SATISFIED


class Report(Shown, Mapping[Constraint, ConstraintCheck]):
    """Checks by constraint; a constraint's name serves as a key too.

    Attributes
    ----------
    holds : bool
        Whether all are satisfied.
    environment : environment or None
        Whose names agents, types and actions of counterexamples have.
    """

    def __init__(self, checks: Mapping[Constraint, ConstraintCheck], environment: Any = None) -> None:
        self._checks = dict(checks)
        self.environment = environment

    @property
    def holds(self) -> bool:
        """Whether every constraint is satisfied."""
        return all(check.holds for check in self._checks.values())

    @property
    def undecided(self) -> tuple[str, ...]:
        """Names of the constraints that rounding leaves open."""
        return tuple(constraint.name for constraint, check in self.items() if check.status is Status.UNDECIDED)

    @property
    def violated(self) -> tuple[str, ...]:
        """Names of the constraints that are violated."""
        return tuple(constraint.name for constraint, check in self.items() if check.status is Status.VIOLATED)

    def __getitem__(self, key: Constraint | str) -> ConstraintCheck:
        return self._checks[constraint_named(key) if isinstance(key, str) else key]

    def __iter__(self) -> Iterator[Constraint]:
        return iter(self._checks)

    def __len__(self) -> int:
        return len(self._checks)

    def _told(self, check: ConstraintCheck) -> str:
        """A counterexample in a sentence, with the model's names where they are known."""
        if check.counterexample is None or self.environment is None:
            return str(check.counterexample or "")
        told: str = provided(self, "_told")(check.counterexample, self.environment)
        return told

    def to_frame(self) -> pd.DataFrame:
        """One row a constraint.

        Returns
        -------
        pandas.DataFrame
            Index: names of the constraints. Columns: ``status``, ``holds``, ``gain``, ``rounding``, ``tolerance``,
            ``counterexample`` (a sentence, empty where satisfied).
        """
        import pandas as pd

        rows = [
            {
                "status": str(check.status),
                "holds": check.holds,
                "gain": check.gain,
                "rounding": check.rounding,
                "tolerance": check.tolerance,
                "counterexample": self._told(check),
            }
            for check in self.values()
        ]
        return pd.DataFrame(rows, index=pd.Index([constraint.name for constraint in self], name="constraint"))

    def __repr__(self) -> str:
        lines = [
            f"{constraint.name}: {c.status}, gain {c.gain:.3g}{c.within}"
            + (f" ({c.counterexample})" if c.counterexample else "")
            for constraint, c in self.items()
        ]
        return "Report(" + "; ".join(lines) + ")"
