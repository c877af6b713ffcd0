"""Read whatever was saved: a mechanism of any form, or contingent transfers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mechopt.closedform.contingent.files import is_transfers, load
from mechopt.closedform.contingent.result import ContingentTransfers
from mechopt.core.errors import InputError
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism.archive import AnyMechanism, AnyTypes
from mechopt.mechanism.archive import load_mechanism as load_written
from mechopt.verification.contingent.check import check_contingent, truthful_outcome
from mechopt.verification.rounding import largest_value

SAME = 1e-9
"""Share of the largest value and payment within which what a file says of itself is right."""


def load_mechanism(path: str | Path, environment: AnyTypes) -> AnyMechanism | ContingentTransfers:
    """Read a mechanism that was saved for this environment.

    What transfers say of their welfare, utilities and gain is compared with what they do and charge.

    Parameters
    ----------
    path : path
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        The one that it was made for.

    Raises
    ------
    InputError
        If the file is missing, malformed, belongs to another environment, or says something wrong of itself.
    """
    if not is_transfers(path):
        return load_written(path, environment)
    require_kind(environment, "interdependent", f"{path}: transfers")
    read = load(path, environment)  # type: ignore[arg-type]
    welfare, utilities = truthful_outcome(read)
    said, found = (
        np.array([one.welfare, one.gain, *one.utilities])
        for one in (read, replace(read, welfare=welfare, utilities=utilities, gain=check_contingent(read).gain))
    )
    periods = 1 / (1 - read.environment.discount) if read.environment.infinite else read.environment.stages
    size = largest_value(read.environment) + periods * read.max_abs
    if not (np.abs(said - found) <= SAME * size).all():
        raise InputError(
            f"{path}: says welfare {read.welfare:.6g}, utilities {[round(u, 6) for u in read.utilities]} and gain "
            f"{read.gain:.3g}, but what it does gives {welfare:.6g}, {[round(u, 6) for u in utilities]} and "
            f"{found[1]:.3g}; the file is damaged"
        )
    return read
