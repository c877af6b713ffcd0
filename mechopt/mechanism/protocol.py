"""The protocol of mechanisms, whatever their form.

`mechopt.testing.check_mechanism` puts a mechanism of one's own through it.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from mechopt.environment.independent import IndependentTypes
from mechopt.environment.process import PersistentEnvironment
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.outcome import Simulation

if TYPE_CHECKING:
    import pandas as pd

AnyTypes = IndependentTypes | PersistentEnvironment
"""Every kind of environment that has mechanisms."""


@runtime_checkable
class MechanismProtocol(Protocol):
    """A mechanism of any form; money is expected present value at truthful reports."""

    @property
    def environment(self) -> Any:
        """Environment of the mechanism."""
        ...

    @property
    def claims(self) -> tuple[Constraint, ...]:
        """Constraints that it says it satisfies; `mechopt.verify` checks these unless told otherwise."""
        ...

    @property
    def guarantee(self) -> Fraction | None:
        """Proved share of the largest revenue that DIC and EPIR allow; None where nothing is proved."""
        ...

    @property
    def revenue(self) -> float:
        """Payments net of the seller's costs."""
        ...

    @property
    def welfare(self) -> float:
        """Values of what is done net of costs: revenue plus utilities where all discount alike."""
        ...

    @property
    def utilities(self) -> tuple[float, ...]:
        """By agent."""
        ...

    def save(self, path: str | Path) -> None:
        """Write it to a file, whole or not at all, that `mechopt.load_mechanism` reads."""
        ...

    def simulate(self, rng: np.random.Generator | int, runs: int = 10_000) -> Simulation:
        """Draw types, report truthfully and average."""
        ...

    def to_frame(self) -> pd.DataFrame:
        """Table of actions and payments at every state or history, one row each."""
        ...


@runtime_checkable
class Unrollable(Protocol):
    """A mechanism in a form of its own, such as a bank account mechanism, that can be written out over histories."""

    def to_mechanism(self) -> Any:
        """A mechanism in a form that is checked, saved and simulated."""
        ...
