"""A mechanism with finitely many states in a file, its simulation and its table.

The columns of the file: ``laws`` (distributions of all agents one after another), ``allocation``, ``payment``, and the
sparse table of next states as ``after`` (weights), ``next`` (states), ``ends`` (where rows end) and ``coin``.
"""

from __future__ import annotations

from math import ceil, log, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.archive import Archive
from mechopt.core.errors import InputError
from mechopt.environment.markov import MarkovTypes
from mechopt.mechanism.archive import Contents, Header, claims_of, described, require_fingerprint
from mechopt.mechanism.endless.states import StateMechanism
from mechopt.mechanism.simulation import MAX_FOLLOWED, TAIL, Runs, drawn_rows, played, simulate

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "mechopt states 1"
__all__ = ["contents", "read_states", "simulate", "to_frame"]
MAX_STATES, MAX_ENTRIES = 10**7, 10**9


def contents(mechanism: StateMechanism) -> Contents:
    """Contents of the file."""
    after = mechanism.after
    columns = {
        "laws": np.concatenate([distribution.ravel() for distribution in mechanism.distributions]),
        "allocation": mechanism.allocation.ravel(),
        "payment": mechanism.payment.ravel(),
        "after": after.data,
        "next": after.indices.astype(np.int64),
        "ends": after.indptr.astype(np.int64),
        "coin": mechanism.extra.ravel(),
    }
    return described(mechanism, FORMAT) | {"states": mechanism.states, "entries": int(after.nnz)}, columns


def read_states(archive: Archive, header: Header, environment: Any) -> StateMechanism:
    """Read a mechanism with finitely many states."""
    from scipy.sparse import csr_array

    path = archive.path
    if not isinstance(environment, MarkovTypes) or not environment.infinite:
        raise InputError(f"{path}: a mechanism for an infinite horizon, which is for kind 'markov'")
    require_fingerprint(archive, header, environment)
    states, entries = int(header["states"]), int(header["entries"])
    if not 1 <= states <= MAX_STATES or not 0 <= entries <= MAX_ENTRIES:
        raise InputError(f"{path}: has {states} states and {entries} entries; the file is damaged")
    types, actions, n = environment.shape[0], environment.action_counts[0], environment.agents
    cells = states * prod(types) * actions
    distributions = archive.column("laws", (states * sum(types),))
    allocation, payment = archive.column("allocation", (cells,)), archive.column("payment", (n * cells,))
    weight, coin = archive.column("after", (entries,)), archive.column("coin", (n * entries,))
    following = archive.column("next", (entries,), kinds="i").astype(np.int64)
    ends = archive.column("ends", (cells + 1,), kinds="i").astype(np.int64)
    if ends[0] != 0 or ends[-1] != entries or (np.diff(ends) < 0).any():
        raise InputError(f"{path}: ends are not those of rows; the file is damaged")
    if entries and not 0 <= following.min() <= following.max() < states:
        raise InputError(f"{path}: next holds states that are not there; the file is damaged")
    rows = np.repeat(np.arange(cells), np.diff(ends))
    if entries and (np.diff(rows * states + following) <= 0).any():
        raise InputError(f"{path}: next is not in order; the file is damaged")
    cuts = np.cumsum([states * size for size in types])[:-1]
    shape = (states, prod(types), actions)
    return StateMechanism(
        environment,
        tuple(part.reshape(states, -1) for part in np.split(distributions.astype(np.float64), cuts)),
        allocation.reshape(shape),
        payment.reshape(n, *shape),
        csr_array((weight.astype(np.float64), following, ends), shape=(cells, states)),
        coin.reshape(n, entries),
        claims_of(header),
        str(header["source"]),
    )


@played.register(StateMechanism)
def _(mechanism: StateMechanism, rng: np.random.Generator, runs: int) -> Runs:
    env, n = mechanism.environment, mechanism.environment.agents
    state, types = (
        np.zeros(runs, dtype=np.int64),
        [rng.choice(len(distribution), size=runs, p=distribution) for distribution in env.initial],
    )
    utility, welfare = np.zeros((n, runs)), np.zeros(runs)
    _, profiles, actions = mechanism.allocation.shape
    total = np.cumsum(mechanism.after.data)
    begin = np.append(0.0, total)[mechanism.after.indptr]
    for t in range(min(MAX_FOLLOWED, ceil(log(TAIL) / log(env.discount)))):
        profile = np.ravel_multi_index(tuple(types), mechanism.shape)
        action = drawn_rows(rng, mechanism.allocation[state, profile])
        row = (state * profiles + profile) * actions + action
        place = begin[row] + rng.random(runs) * (begin[row + 1] - begin[row])
        entry = np.searchsorted(total, place, side="right")
        entry = np.clip(entry, mechanism.after.indptr[row], mechanism.after.indptr[row + 1] - 1)
        worth = mechanism.worth[:, profile, action]
        paid = mechanism.payment[:, state, profile, action] + mechanism.extra[:, entry]
        utility += env.discount**t * (worth - paid)
        welfare += env.discount**t * (worth.sum(axis=0) - env.costs[0][action] + mechanism.gains[profile, action])
        state = mechanism.after.indices[entry].astype(np.int64)
        types = [drawn_rows(rng, env.kernel[i][0][action, types[i]]) for i in range(n)]
        left = env.discount ** (t + 1)
    utility += left * mechanism.state_utilities[:, state]
    welfare += left * mechanism.state_welfare[state]
    return Runs(welfare - utility.sum(axis=0), utility, welfare)


def to_frame(mechanism: StateMechanism) -> pd.DataFrame:
    """A row a state, possible profile, action that is taken and agent; ``next`` has states and their probabilities."""
    import pandas as pd

    rows, names = list[dict[str, Any]](), mechanism.environment.action_names(0)
    _, profiles, actions = mechanism.allocation.shape
    happens = mechanism.likely[:, :, None] & (mechanism.allocation > 0)
    for s, p, a in zip(*np.nonzero(happens), strict=True):
        row = (s * profiles + p) * actions + a
        span = slice(int(mechanism.after.indptr[row]), int(mechanism.after.indptr[row + 1]))
        ends = zip(mechanism.after.indices[span].tolist(), mechanism.after.data[span].tolist(), strict=True)
        for i in range(mechanism.environment.agents):
            rows.append(
                {
                    "state": int(s),
                    "reports": tuple(int(k) for k in np.unravel_index(p, mechanism.shape)),
                    "agent": i,
                    "action": names[a],
                    "weight": float(mechanism.allocation[s, p, a]),
                    "payment": float(mechanism.paid[i, s, p, a]),
                    "next": ", ".join(f"{to}: {share:.6g}" for to, share in ends),
                }
            )
    return pd.DataFrame(rows)
