"""Read whatever was saved: a mechanism of any form, or contingent transfers."""

from __future__ import annotations

from pathlib import Path

from mechopt.closedform.contingent.files import is_transfers, load
from mechopt.closedform.contingent.result import ContingentTransfers
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism.archive import AnyMechanism, AnyTypes
from mechopt.mechanism.archive import load_mechanism as load_written


def load_mechanism(path: str | Path, environment: AnyTypes) -> AnyMechanism | ContingentTransfers:
    """Read a mechanism that was saved for this environment.

    Parameters
    ----------
    path : path
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        The one that it was made for.

    Raises
    ------
    InputError
        If the file is missing, malformed, or belongs to another environment.
    """
    if not is_transfers(path):
        return load_written(path, environment)
    require_kind(environment, "interdependent", f"{path}: transfers")
    return load(path, environment)  # type: ignore[arg-type]
