"""The methods of `MechanismProtocol` that are the same for all mechanisms; the work is done by functions above."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.provided import provided
from mechopt.core.shown import Shown
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.outcome import Simulation

if TYPE_CHECKING:
    import pandas as pd


class MechanismMethods(Shown):
    """Base of all mechanisms: saves, simulates and tabulates what the subclass says."""

    @property
    def guarantee(self) -> Fraction | None:
        """Proved share of the largest revenue that DIC and EPIR allow; None where nothing is proved."""
        return None

    def save(self, path: str | Path) -> None:
        """Write the mechanism to a file, whole or not at all; read it with `mechopt.load_mechanism`.

        Parameters
        ----------
        path : path
            A numpy ``.npz`` archive without pickles.

        Raises
        ------
        InputError
            If the file cannot be written, or the mechanism cannot be written out.
        LimitError
            If there are too many histories to write it out.
        """
        provided(self, "save")(self, path)

    def explain(self) -> Any:
        """Say what it does by states instead of histories, with its own payments; see `mechopt.results.Explanation`.

        Raises
        ------
        InputError
            If it has no finite histories, or is only a limit of mechanisms.
        LimitError
            If it has too many histories.
        """
        return provided(self, "explain")(self)

    def simulate(self, rng: np.random.Generator | int, runs: int = 10_000) -> Simulation:
        """Draw types and the mechanism's own lotteries, report truthfully and average.

        Parameters
        ----------
        rng : numpy Generator or seed
        runs : int
            At least 2.

        Raises
        ------
        InputError
            If there are fewer than two runs, or the mechanism cannot be simulated: it is a limit of mechanisms, or in
            no form that is followed.
        LimitError
            If there are too many histories to write it out, where that is needed.
        """
        averages: Simulation = provided(self, "simulate")(self, rng, runs)
        return averages

    @classmethod
    def from_frame(cls, table: Any, environment: Any, claims: tuple[Constraint, ...] = ()) -> Any:
        """Read a mechanism from a pandas table or a CSV file, in the columns that `to_frame` gives.

        Parameters
        ----------
        table : pandas.DataFrame, str or Path
            See `mechopt.mechanism.frame` for the columns.
        environment : an environment with a finite horizon
            Its kind says whether a `Mechanism` or a `SequenceMechanism` comes back.
        claims : tuple of Constraint
            What it is said to satisfy.

        Raises
        ------
        InputError
            If columns or rows are missing, stand twice, or name what the environment does not have.
        """
        return provided(cls, "from_frame")(table, environment, claims)

    def to_frame(self) -> pd.DataFrame:
        """Table of actions and payments, one row a history or state, report and agent.

        Returns
        -------
        pandas.DataFrame
            Columns by the form; see `mechopt.mechanism.frame`.

        Raises
        ------
        LimitError
            If there are too many histories to write it out, where that is needed.
        """
        frame: pd.DataFrame = provided(self, "to_frame")(self)
        return frame
