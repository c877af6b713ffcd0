"""Contingent transfers from a file, which says of itself what they do: that is compared with what they do."""

from __future__ import annotations

from typing import Any

import numpy as np

from mechopt.closedform.contingent.files import read
from mechopt.closedform.contingent.result import ContingentTransfers
from mechopt.core.archive import Archive
from mechopt.core.errors import InputError
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism.archive import Header, require_fingerprint
from mechopt.verification.contingent.check import check_contingent, truthful_outcome
from mechopt.verification.rounding import largest_value

SAME = 1e-9
"""Share of the largest value and payment within which what a file says of itself is right."""


def read_transfers(archive: Archive, header: Header, environment: Any) -> ContingentTransfers:
    """Read contingent transfers from an open file; `mechopt.mechanism.archive.load_mechanism` calls this.

    Raises
    ------
    InputError
        If the file is malformed, or says something wrong of itself.
    """
    require_kind(environment, "interdependent", f"{archive.path}: transfers")
    require_fingerprint(archive, header, environment)
    transfers = read(archive, header, environment)
    welfare, gross = truthful_outcome(transfers)
    utilities = tuple(u - fee for u, fee in zip(gross, transfers.fees or (0.0,) * len(gross), strict=True))
    gain, env = check_contingent(transfers).largest, transfers.environment
    said = np.array([transfers.welfare, transfers.gain, *transfers.utilities])
    found = np.array([welfare, gain, *utilities])
    periods = 1 / (1 - env.discount) if env.infinite else env.stages
    size = largest_value(env) + periods * transfers.max_abs
    if not (np.abs(said - found) <= SAME * size).all():
        raise InputError(
            f"{archive.path}: says welfare {transfers.welfare:.6g}, utilities "
            f"{[round(u, 6) for u in transfers.utilities]} and gain {transfers.gain:.3g}, but what it does gives "
            f"{welfare:.6g}, {[round(u, 6) for u in utilities]} and {gain:.3g}; the file is damaged"
        )
    return transfers
