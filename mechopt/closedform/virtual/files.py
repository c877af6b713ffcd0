"""A virtual pivot in a file, its simulation and its table: contract by contract with an infinite horizon.

With a finite one it is written out over histories. For ever, the columns of the file are ``included`` and ``upfront``
by profile of initial types and agent, and contract after contract ``policy`` and ``payment``: the action at each
profile of the included agents' signals, and what each of them pays, in the money of the period. All follow from the
environment, so reading builds the pivot again and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.closedform.virtual.mechanism import VirtualPivot
from mechopt.closedform.virtual.pivot import virtual_pivot
from mechopt.core.archive import Archive
from mechopt.core.errors import InputError
from mechopt.core.numbers import Array
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism import archive as files
from mechopt.mechanism import frame
from mechopt.mechanism.simulation import Runs, played, simulate
from mechopt.mechanism.stationary import MarkovMechanism

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "mechopt virtual pivot 1"
__all__ = ["contents", "read_pivot", "simulate", "to_frame"]
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
    pivot: VirtualPivot = virtual_pivot(environment, bool(header["ironed"]))
    for name, found in _columns(pivot).items():
        read = archive.column(name, found.shape, kinds=found.dtype.kind)
        size = float(np.abs(found).max(initial=1.0)) if found.dtype.kind == "f" else 0.0
        if not (np.abs(read - found) <= SAME * size).all():
            raise InputError(f"{archive.path}: {name} is not that of the virtual pivot; the file is damaged")
    return pivot


def after_contracting(pivot: VirtualPivot, profile: tuple[int, ...]) -> MarkovMechanism:
    """The allocation phase after truthful reports, as a mechanism of current signals; the first period is t = 1.

    Parameters
    ----------
    pivot : VirtualPivot
        With an infinite horizon.
    profile : tuple of int
        Initial types. Nothing is worth anything to agents who are left out, and they pay nothing.
    """
    env, here = pivot.environment, pivot.phase(profile)
    source: Any = env.exact if env.exact is not None else env
    values = [
        [row[k] for row in env.exact_value_tables[i]] if i in here.members else [[0] * n] * len(env.actions)
        for i, (k, n) in enumerate(zip(profile, env.signal_shape, strict=True))
    ]
    signals = MarkovTypes(
        values,
        source.signal_kernel,
        source.signal_initial,
        list(env.actions),
        cost=source.cost,
        discount=source.discount,
    )
    missing = tuple(i for i in range(env.agents) if i not in here.members)

    def spread(array: Array) -> Array:
        return np.broadcast_to(np.expand_dims(array, missing), env.signal_shape)

    paid = [
        pivot.payment(i, profile)[0] if i in here.members else np.zeros(here.policy[0].shape) for i in range(env.agents)
    ]
    return MarkovMechanism(signals, (spread(here.policy[0]),), tuple((spread(part),) for part in paid))


@played.register(VirtualPivot)
def _(pivot: VirtualPivot, rng: np.random.Generator, runs: int) -> Runs:
    env = pivot.environment
    if not env.infinite:
        return played(pivot.to_mechanism(), rng, runs)
    drawn = [rng.choice(len(distribution), size=runs, p=distribution) for distribution in env.initial_probabilities]
    numbers = np.ravel_multi_index(drawn, env.initial_shape)
    revenue, utility, welfare = np.zeros(runs), np.zeros((env.agents, runs)), np.zeros(runs)
    for number in np.unique(numbers):
        profile, chosen = tuple(map(int, np.unravel_index(number, env.initial_shape))), numbers == number
        found = played(after_contracting(pivot, profile), rng, int(chosen.sum()))
        upfront = np.array([part[profile] for part in pivot.upfront])
        revenue[chosen] = env.discount * found.revenue + upfront.sum()
        utility[:, chosen] = env.discount * found.utility - upfront[:, None]
        welfare[chosen] = env.discount * found.welfare
    return Runs(revenue, utility, welfare)


def to_frame(pivot: VirtualPivot) -> pd.DataFrame:
    """The table of the histories, or for ever: what is paid at contracting (period 0), and in every period after it.

    Columns of the latter: ``contract`` (initial types reported), ``period`` (0, or 1 for all later ones), ``reports``
    (signals, empty at contracting), ``agent``, ``included``, ``action`` (name, empty at contracting), ``payment``.
    """
    import pandas as pd

    env = pivot.environment
    if not env.infinite:
        return frame.to_frame(pivot.to_mechanism())
    rows = list[pd.DataFrame]()
    for profile in product(*map(range, env.initial_shape)):
        here = [
            {"contract": profile, "agent": i, "included": bool(pivot.included[profile][i])} for i in range(env.agents)
        ]
        rows.append(
            pd.DataFrame(
                [
                    row | {"period": 0, "reports": (), "action": "", "payment": part[profile]}
                    for row, part in zip(here, pivot.upfront, strict=True)
                ]
            )
        )
        later = frame.to_frame(after_contracting(pivot, profile)).assign(period=1)
        inside = [here[i]["included"] for i in later["agent"]]
        rows.append(later.assign(contract=pd.Series([profile] * len(later)), included=inside))
    return pd.concat(rows, ignore_index=True)[
        ["contract", "period", "reports", "agent", "included", "action", "payment"]
    ]
