"""Contingent transfers to a file and back: a numpy ``.npz`` archive without pickles, written atomically.

Arrays: ``policy_T`` by period, ``payment_T_I`` by period and agent (paid in the next period), ``later_T_I_K`` of
stacked transfers, ``last_I``; and a JSON ``header`` with the format, the environment's fingerprint, the method, the
theorem, the gain and the bound. The file is bound to its environment: another one refuses it. What is read says of
itself what it said when it was written; `mechopt.check_contingent` checks it.
"""

from __future__ import annotations

import json
import zipfile
from itertools import count, takewhile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from mechopt.closedform.contingent.result import ContingentTransfers
from mechopt.core.atomic import write_atomically
from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.mechanism.archive import DAMAGES, HEADER_BYTES, column_of, require_fingerprint

FORMAT = "mechopt contingent transfers 1"
METHODS = ("convex", "spanning", "stacked", "any")
MAX_STEPS = 64
"""Most future periods that stacked transfers are read for."""


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
        "bound": transfers.bound,
        "utilities": list(transfers.utilities),
        "fees": list(transfers.fees),
        "condition": transfers.condition,
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


def is_transfers(path: str | Path) -> bool:
    """Whether a file says that it holds contingent transfers; False where it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(json.loads(column_of(archive, "header", path, HEADER_BYTES).tobytes())["format"] == FORMAT)
    except (OSError, InputError, *DAMAGES):
        return False


def load(path: str | Path, environment: InterdependentTypes) -> ContingentTransfers:
    """Read transfers that were saved for this environment.

    Parameters
    ----------
    path : path
    environment : InterdependentTypes
        The one that they were made for.

    Raises
    ------
    InputError
        If the file is missing, malformed, or belongs to another environment.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(column_of(archive, "header", path, HEADER_BYTES).tobytes())
            if header["format"] != FORMAT:
                raise InputError(f"{path}: format {header['format']!r}, contingent transfers are {FORMAT!r}")
            require_fingerprint(path, str(header["fingerprint"]), environment)
            policy, payments, later, last = _arrays(archive, header, environment, path)
            numbers = [float(header[key]) for key in ("gain", "bound", "welfare")]
            utilities = tuple(float(u) for u in header["utilities"])
            fees = tuple(float(fee) for fee in header.get("fees", ()))
            condition = float(header.get("condition", 1.0))
            method, theorem, history = header["method"], str(header["theorem"]), bool(header["history"])
            finite = bool(np.isfinite([*numbers, *utilities, *fees]).all())
            if method not in METHODS or len(utilities) != environment.agents or not finite:
                raise InputError(f"{path}: the header is damaged; write a file with --save")
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from None
    except InputError:
        raise
    except DAMAGES as error:
        raise InputError(f"{path}: not a file of transfers, or damaged ({error}); write one with --save") from None
    every = [*(a for row in payments for a in row), *(a for row in later for own in row for a in own), *(last or ())]
    largest = max(float(np.abs(array).max(initial=0.0)) for array in every) if every else 0.0
    gain, bound, welfare = numbers
    largest = max(largest, *map(abs, fees), 0.0)
    parts = policy, payments, later, last
    return ContingentTransfers(
        environment,
        method,
        theorem,
        *parts,
        gain,
        largest,
        bound,
        welfare,
        utilities,
        history,
        fees,
        condition=condition,
    )


Read = tuple[
    tuple[IntArray, ...],
    tuple[tuple[FloatArray, ...], ...],
    tuple[tuple[tuple[FloatArray, ...], ...], ...],
    tuple[FloatArray, ...] | None,
]


def _arrays(archive: zipfile.ZipFile, header: Any, env: InterdependentTypes, path: str | Path) -> Read:
    """All arrays of the shapes that the environment asks for."""
    names, agents = set(archive.namelist()), range(env.agents)

    def there(name: str) -> bool:
        return f"{name}.npy" in names

    def read(name: str, *shapes: tuple[int, ...]) -> FloatArray:
        array = column_of(archive, name, path, 8 * max(map(prod, shapes)) + HEADER_BYTES)
        if array.shape not in shapes or array.dtype.kind not in "fi" or not np.isfinite(array).all():
            wanted = " or ".join(map(str, shapes))
            raise InputError(f"{path}: {name} has shape {array.shape}, expected {wanted} finite numbers")
        return array

    policy = list[IntArray]()
    for t in range(env.stages):
        actions = read(f"policy_{t}", env.shape[t])
        if actions.min() < 0 or actions.max() >= env.action_counts[t] or (actions % 1).any():
            raise InputError(f"{path}: policy_{t} has an action that does not exist; the file is damaged")
        policy.append(readonly(actions, np.int64))
    payments, later = [], []
    for t in range(len(env.kernel)):
        row, rows_later = [], []
        for i in agents:
            now = (env.action_counts[t], *_others(env, t, i))
            own = (env.shape[t][i],) if header["method"] in ("convex", "any") else ()
            stacked = [(*now, *own, *_others(env, t + 1, i))]
            if header["method"] == "stacked":
                stacked.append((*now, env.shape[t][i], *_others(env, t + 1, i)))
            if header["history"]:
                past = tuple(size for s in range(t) for size in (env.action_counts[s], *_others(env, s, i)))
                stacked = [(*past, *shape) for shape in stacked]
            row.append(readonly(read(f"payment_{t}_{i}", *stacked)))
            due = takewhile(lambda k, t=t, i=i: k < MAX_STEPS and there(f"later_{t}_{i}_{k}"), count())  # type: ignore[misc]
            shapes = ((k, _others(env, t + 2 + k, i)) for k in due)
            rows_later.append(
                tuple(
                    readonly(read(f"later_{t}_{i}_{k}", (*now, *then), (*now, env.shape[t][i], *then)))
                    for k, then in shapes
                )
            )
        payments.append(tuple(row))
        later.append(tuple(rows_later))
    last = None if env.infinite else tuple(readonly(read(f"last_{i}", env.shape[-1])) for i in agents)
    kept = tuple(later) if header["method"] == "stacked" and not header["history"] else ()
    return tuple(policy), tuple(payments), kept, last


def _others(env: InterdependentTypes, t: int, agent: int) -> tuple[int, ...]:
    """Numbers of signals of the others in a period."""
    return tuple(size for j, size in enumerate(env.shape[0 if env.infinite else t]) if j != agent)
