"""Contingent transfers to a file: a numpy ``.npz`` archive without pickles, written atomically.

Arrays: ``policy_T`` by period, ``payment_T_I`` by period and agent (paid in the next period), ``later_T_I_K`` of
stacked transfers, ``last_I``; and a JSON ``header`` with the format, the environment's fingerprint, the method, the
theorem and the gain.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mechopt.core.atomic import write_atomically
from mechopt.core.numbers import Array

if TYPE_CHECKING:
    from mechopt.closedform.contingent_result import ContingentTransfers

FORMAT = "mechopt contingent transfers 1"


def save(transfers: ContingentTransfers, path: str | Path) -> None:
    """Write transfers; see `ContingentTransfers.save`."""
    header = {
        "format": FORMAT,
        "fingerprint": transfers.environment.fingerprint,
        "method": transfers.method,
        "theorem": transfers.theorem,
        "history": transfers.history,
        "gain": transfers.gain,
        "welfare": transfers.welfare,
        "agents": list(transfers.environment.names),
    }
    arrays: dict[str, Array] = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}
    arrays |= {f"policy_{t}": array for t, array in enumerate(transfers.policy)}
    arrays |= {f"payment_{t}_{i}": array for t, row in enumerate(transfers.payments) for i, array in enumerate(row)}
    arrays |= {
        f"later_{t}_{i}_{k}": array
        for t, row in enumerate(transfers.later)
        for i, own in enumerate(row)
        for k, array in enumerate(own)
    }
    arrays |= {f"last_{i}": array for i, array in enumerate(transfers.last_payments or ())}
    write_atomically(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))
