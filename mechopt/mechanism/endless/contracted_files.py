"""A mechanism that starts after contracting in a file, its simulation and its table: of its allocation periods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.archive import Archive
from mechopt.core.errors import InputError
from mechopt.environment.separable import SeparableTypes
from mechopt.environment.to_markov import allocation_phase
from mechopt.mechanism import archive as files
from mechopt.mechanism import frame
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.mechanism.simulation import Runs, played, simulate

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "mechopt mechanism after contracting 1"
__all__ = ["contents", "read_contracted", "simulate", "to_frame"]


def contents(mechanism: ContractedMechanism) -> files.Contents:
    """Contents of the file: the allocation periods, bound to the separable environment."""
    header, columns = files.contents(mechanism.allocation)
    return header | {"format": FORMAT, "fingerprint": mechanism.environment.fingerprint}, columns


def read_contracted(archive: Archive, header: files.Header, environment: Any) -> ContractedMechanism:
    """Read what `contents` wrote.

    Raises
    ------
    InputError
        If it is for another environment, or damaged.
    """
    if not isinstance(environment, SeparableTypes) or not environment.infinite:
        raise InputError(f"{archive.path}: is for kind 'separable' with an infinite horizon; give its model file")
    files.require_fingerprint(archive, header, environment)
    phase = allocation_phase(environment)
    allocation = files.read_stationary(archive, header | {"fingerprint": phase.fingerprint}, phase)
    return ContractedMechanism(environment, allocation)


@played.register(ContractedMechanism)
def _(mechanism: ContractedMechanism, rng: np.random.Generator, runs: int) -> Runs:
    d = mechanism.environment.discount
    return Runs(*(d * part for part in played(mechanism.allocation, rng, runs)))


def to_frame(mechanism: ContractedMechanism) -> pd.DataFrame:
    """The table of the allocation periods, the first being t = 1; see `mechopt.mechanism.frame`."""
    table = frame.to_frame(mechanism.allocation)
    return table.assign(period=table["period"] + 1)
