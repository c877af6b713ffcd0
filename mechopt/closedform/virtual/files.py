"""The file of a virtual pivot: over histories with a finite horizon, contract by contract with an infinite one.

For ever, the columns are ``included`` and ``upfront`` by profile of initial types and agent, and contract after contract
``policy`` and ``payment``: the action at each profile of the included agents' signals, and what each of them pays, in
the money of the period. All follow from the environment, so reading builds the pivot again and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from mechopt.closedform.virtual.mechanism import VirtualPivot
from mechopt.closedform.virtual.pivot import virtual_pivot
from mechopt.core.archive import Archive
from mechopt.core.errors import InputError
from mechopt.core.numbers import Array
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism import archive as files

FORMAT = "mechopt virtual pivot 1"
SAME = 1e-9
"""Share of the largest payment within which two pivots of one environment are the same."""


def contents(pivot: VirtualPivot) -> files.Contents:
    """Header and columns of the file; see `mechopt.mechanism.archive`."""
    if not pivot.environment.infinite:
        written: files.Contents = files.contents(pivot.to_mechanism())
        return written
    header = {
        "format": FORMAT,
        "fingerprint": pivot.environment.fingerprint,
        "notions": [],
        "source": "virtual pivot",
        "ironed": pivot.ironed,
    }
    return header, _columns(pivot)


def _columns(pivot: VirtualPivot) -> Mapping[str, Array]:
    policy, payment = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for profile in product(*map(range, pivot.environment.initial_shape)):
        here = pivot.phase(profile)
        policy.append(np.asarray(here.policy[0], dtype=np.int64).ravel())
        payment += [pivot.payment(i, profile)[0].ravel() for i in here.members]
    return {
        "included": pivot.included.astype(np.int64).ravel(),
        "upfront": np.concatenate([part.ravel() for part in pivot.upfront]),
        "policy": np.concatenate(policy),
        "payment": np.concatenate(payment),
    }


def read_pivot(archive: Archive, header: files.Header, environment: Any) -> VirtualPivot:
    """Read a virtual pivot for ever; `mechopt.mechanism.archive.load_mechanism` calls this.

    Raises
    ------
    InputError
        If it is for another environment, or holds something else than the pivot of this one.
    """
    require_kind(environment, "separable", f"{archive.path}: a virtual pivot")
    files.require_fingerprint(archive, header, environment)
    pivot = virtual_pivot(environment, bool(header["ironed"]))
    for name, found in _columns(pivot).items():
        read = archive.column(name, found.shape, kinds=found.dtype.kind)
        size = float(np.abs(found).max(initial=1.0)) if found.dtype.kind == "f" else 0.0
        if not (np.abs(read - found) <= SAME * size).all():
            raise InputError(f"{archive.path}: {name} is not that of the virtual pivot; the file is damaged")
    return pivot
