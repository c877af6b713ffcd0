"""The file of contingent transfers: what `mechopt.mechanism.archive` writes and reads of them.

Arrays: ``policy_T`` by period, ``payment_T_I`` by period and agent (paid in the next period), ``later_T_I_K`` of
stacked transfers, ``last_I``; and a JSON ``header`` with the format, the environment's fingerprint, the method, the
theorem, the gain and the bound. What is read says of itself what it said when it was written;
`mechopt.mechanisms.check_contingent` checks it.
"""

from __future__ import annotations

import numpy as np

from mechopt.closedform.contingent.result import ContingentTransfers
from mechopt.core.archive import Archive
from mechopt.core.errors import InputError
from mechopt.core.numbers import Array, FloatArray, IntArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.mechanism.archive import Contents, Header

FORMAT = "mechopt contingent transfers 1"
METHODS = ("convex", "spanning", "stacked", "any")
MAX_STEPS = 64
"""Most future periods that stacked transfers are read for."""


def contents(transfers: ContingentTransfers) -> Contents:
    """Header and arrays of the file; see `mechopt.mechanism.archive`."""
    header = {
        "format": FORMAT,
        "fingerprint": transfers.environment.fingerprint,
        "method": transfers.method,
        "theorem": transfers.theorem,
        "history": transfers.history,
        "reports": transfers.reports,
        "together": transfers.together,
        "gain": transfers.gain,
        "welfare": transfers.welfare,
        "bound": transfers.bound,
        "utilities": list(transfers.utilities),
        "fees": list(transfers.fees),
        "condition": transfers.condition,
        "agents": list(transfers.environment.names),
    }
    arrays: dict[str, Array] = {f"policy_{t}": array for t, array in enumerate(transfers.policy)}
    arrays |= {f"payment_{t}_{i}": array for t, row in enumerate(transfers.payments) for i, array in enumerate(row)}
    arrays |= {
        f"later_{t}_{i}_{k}": array
        for t, row in enumerate(transfers.later)
        for i, own in enumerate(row)
        for k, array in enumerate(own)
    }
    return header, arrays | {f"last_{i}": array for i, array in enumerate(transfers.last_payments or ())}


def read(archive: Archive, header: Header, environment: InterdependentTypes) -> ContingentTransfers:
    """Read the arrays of an open file, and what it says of itself.

    Raises
    ------
    InputError
        If it is malformed.
    """
    policy, payments, later, last = _arrays(archive, header, environment)
    gain, bound, welfare = (float(header[key]) for key in ("gain", "bound", "welfare"))
    utilities = tuple(float(u) for u in header["utilities"])
    fees = tuple(float(fee) for fee in header.get("fees", ()))
    condition = float(header.get("condition", 1.0))
    method, theorem, history = header["method"], str(header["theorem"]), bool(header["history"])
    finite = bool(np.isfinite([gain, bound, welfare, *utilities, *fees]).all())
    if method not in METHODS or len(utilities) != environment.agents or not finite:
        raise InputError(f"{archive.path}: the header is damaged; write a file with --save")
    every = [*(a for row in payments for a in row), *(a for row in later for own in row for a in own), *(last or ())]
    largest = max((float(np.abs(array).max(initial=0.0)) for array in every), default=0.0)
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
        reports=bool(header.get("reports", False)),
        together=_together(header, archive),
    )


def _together(header: Header, archive: Archive) -> int:
    """Number of periods that stacked transfers take together."""
    count = header.get("together", 0)
    if type(count) is not int or not 0 <= count <= MAX_STEPS:
        raise InputError(f"{archive.path}: the header is damaged; write a file with --save")
    return count


Read = tuple[
    tuple[IntArray, ...],
    tuple[tuple[FloatArray, ...], ...],
    tuple[tuple[tuple[FloatArray, ...], ...], ...],
    tuple[FloatArray, ...] | None,
]


def _arrays(archive: Archive, header: Header, env: InterdependentTypes) -> Read:
    """All arrays of the shapes that the environment asks for."""
    path, agents = archive.path, range(env.agents)

    def there(name: str) -> bool:
        return name in archive.names

    def read(name: str, *shapes: tuple[int, ...]) -> FloatArray:
        array = archive.column(name, *shapes, kinds="fi")
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds something else than finite numbers; the file is damaged")
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
            length = _together(header, archive)
            if length:
                length = length if env.infinite else min(length, env.stages - 1 - t)
                after = [size for k in range(1, length + 1) for size in _others(env, t + k, i)]
                stacked = [(*now, *after), (*now, env.shape[t][i], *after)]
            if header["history"] and header.get("reports"):
                reported = [size for s in range(t + 1) for size in env.shape[s]]
                stacked = [(*reported, *_others(env, t + 1, i))]
            elif header["history"]:
                past = tuple(size for s in range(t) for size in (env.action_counts[s], *_others(env, s, i)))
                stacked = [(*past, *shape) for shape in stacked]
            row.append(readonly(read(f"payment_{t}_{i}", *stacked)))
            due = list[FloatArray]()
            while len(due) < MAX_STEPS and there(name := f"later_{t}_{i}_{len(due)}"):
                then = _others(env, t + 2 + len(due), i)
                due.append(readonly(read(name, (*now, *then), (*now, env.shape[t][i], *then))))
            rows_later.append(tuple(due))
        payments.append(tuple(row))
        later.append(tuple(rows_later))
    last = None if env.infinite else tuple(readonly(read(f"last_{i}", env.shape[-1])) for i in agents)
    one = header["history"] or header.get("together")
    kept = tuple(later) if header["method"] == "stacked" and not one else ()
    return tuple(policy), tuple(payments), kept, last


def _others(env: InterdependentTypes, t: int, agent: int) -> tuple[int, ...]:
    """Numbers of signals of the others in a period."""
    return tuple(size for j, size in enumerate(env.shape[env.at(t)]) if j != agent)
