"""Mechanisms as tables of pandas: what is done and paid at every history or state, one row each."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.mechanism.bank_table import BankTable
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism

if TYPE_CHECKING:
    import pandas as pd


@singledispatch
def to_frame(mechanism: Any) -> pd.DataFrame:
    """One row a history or state, report and agent; columns by the form.

    Parameters
    ----------
    mechanism : a mechanism of any form
        Mechanism: ``period``, ``history`` (number among those of its length), ``past`` (values reported before, as
        text), ``report_0``, ... (values reported now by each agent), ``reach`` (probability), ``buyer``,
        ``allocation``, ``payment``.
        SequenceMechanism, a row a node, agent and action of positive weight: ``period``, ``history`` (as text),
        ``reports`` (type indices), ``reach`` (probability of the types given the actions recorded), ``agent``,
        ``action`` (name), ``weight`` (realisation weight of the action), ``payment`` (weighted, over all actions of the
        node).
        MarkovMechanism: ``period`` (the last one stands for all later ones, with an infinite horizon), ``reports``
        (type indices), ``agent``, ``action`` (name), ``payment``.
        BankTable, in present value: ``period``, ``balance``, ``reach`` (probability of the balance), ``report`` (value
        in the money of the period), ``allocation``, ``payment``, ``after`` (mean balance after the coin).
        Others are written out as their ``to_mechanism`` does.

    Raises
    ------
    InputError
        If it is in no form that is tabulated.
    """
    if not isinstance(mechanism, Unrollable):
        raise InputError(f"a {type(mechanism).__name__} is in no form that is tabulated; give it a to_mechanism()")
    return to_frame(mechanism.to_mechanism())


@to_frame.register(Mechanism)
def _(mechanism: Mechanism) -> pd.DataFrame:
    import pandas as pd

    env, tree, frames = mechanism.environment, mechanism.tree, []
    past = np.array([""], dtype=object)
    for t in range(env.horizon):
        shape = tree.children(t)
        grid = np.indices(shape).reshape(len(shape), -1)
        reports = [row[t][k] for row, k in zip(env.values, grid[1:], strict=True)]
        texts = ["/".join(f"{r:g}" for r in profile) for profile in zip(*reports, strict=True)]
        for i in range(env.agents):
            columns = {"period": t, "history": grid[0], "past": past[grid[0]]}
            columns |= {f"report_{j}": r for j, r in enumerate(reports)}
            columns |= {"reach": tree.reach[t + 1], "buyer": i}
            columns |= {"allocation": mechanism.allocation[t][i].ravel(), "payment": mechanism.payment[t][i].ravel()}
            frames.append(pd.DataFrame(columns))
        if t + 1 < env.horizon:
            joined = [f"{p} {r}".strip() for p, r in zip(past[grid[0]], texts, strict=True)]
            past = np.array(joined, dtype=object)
    return pd.concat(frames, ignore_index=True)


@to_frame.register(SequenceMechanism)
def _(mechanism: SequenceMechanism) -> pd.DataFrame:
    import pandas as pd

    tree, rows = mechanism.tree, list[dict[str, Any]]()
    for t in range(tree.horizon):
        names = mechanism.environment.action_names(t)
        written = [tree.written(t, slot) for slot in range(tree.slots[t])]
        for node, action in zip(*np.nonzero(mechanism.allocation[t] > 0), strict=True):
            reports = tuple(int(r) for r in np.unravel_index(tree.profile[t][node], tree.process.shape[t]))
            for i in range(tree.process.agents):
                rows.append(
                    {
                        "period": t,
                        "history": written[tree.slot[t][node]],
                        "reports": reports,
                        "reach": tree.reach[t][node],
                        "agent": i,
                        "action": names[action],
                        "weight": mechanism.allocation[t][node, action],
                        "payment": mechanism.payment[t][i, node].sum(),
                    }
                )
    return pd.DataFrame(rows)


@to_frame.register(MarkovMechanism)
def _(mechanism: MarkovMechanism) -> pd.DataFrame:
    import pandas as pd

    rows = list[dict[str, Any]]()
    for t in range(mechanism.periods):
        policy, names = mechanism.policy[mechanism.stage(t)], mechanism.environment.action_names(mechanism.stage(t))
        for profile in np.ndindex(policy.shape):
            for i, transfer in enumerate(mechanism.transfer):
                done = {"period": t, "reports": profile, "agent": i, "action": names[policy[profile]]}
                rows.append(done | {"payment": transfer[t][profile]})
    return pd.DataFrame(rows)


@to_frame.register(BankTable)
def _(mechanism: BankTable) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for t, (period, reach) in enumerate(zip(mechanism.periods, mechanism.distribution, strict=True)):
        row, report = (grid.ravel() for grid in np.indices(period.allocation.shape))
        columns = {"period": t, "balance": period.balances[row], "reach": reach[row]}
        columns |= {"report": mechanism.environment.values[0][t][report]}
        columns |= {"allocation": period.allocation.ravel(), "payment": period.payment.ravel()}
        columns |= {"after": mechanism.coin(t)[1].ravel()}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
