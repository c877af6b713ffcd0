"""Mechanisms as tables of pandas, and back: what is done and paid at every history or state, one row each.

What is read back are the tables of `to_frame`; columns that only inform (``reach``) are not needed.

Independent types: a row a buyer, period, history and report profile, with ``period``, ``history`` (number) or ``past``
(values reported before, as text), ``report_0``, ... (values), ``buyer`` (default 0), ``allocation`` and ``payment``.

Persistent types: a row a node, agent and action, with ``period``, ``history`` (as text, such as ``[0 -> 1, (0, 2)]``:
reports, and recorded actions behind arrows), ``reports`` (type indices), ``agent`` (default 0), ``action`` (name),
``weight`` (realisation weight) and ``paid`` (weighted, of this action where it is recorded) or ``payment`` (weighted,
of all actions of the node). Rows of weight 0 at which nothing is paid may be left out.
"""

from __future__ import annotations

import re
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError, shortened
from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.process import joint_process
from mechopt.environment.separable import SeparableTypes
from mechopt.histories.public import PublicTree
from mechopt.histories.reports import HistoryTree
from mechopt.mechanism.bank_table import BankTable
from mechopt.mechanism.constraints import Constraint
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.protocol import Unrollable
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.mechanism.stationary import MarkovMechanism

if TYPE_CHECKING:
    import pandas as pd

AnyTypes = IndependentTypes | MarkovTypes | SeparableTypes | InterdependentTypes
SHOWN = 3
"""Rows that are named where some are wrong."""


@singledispatch
def to_frame(mechanism: Any) -> pd.DataFrame:
    """One row a history or state, report and agent; columns by the form.

    Parameters
    ----------
    mechanism : a mechanism of any form
        Mechanism: ``period``, ``history`` (number among those of its length), ``past`` (values reported before, as
        text), ``report_0``, ... (values reported now by each agent), ``reach`` (probability), ``buyer``,
        ``allocation``, ``payment``.
        SequenceMechanism, a row a node, agent and action of positive weight or at which something is paid: ``period``,
        ``history`` (as text), ``reports`` (type indices), ``reach`` (probability of the types given the actions
        recorded), ``agent``, ``action`` (name), ``weight`` (realisation weight of the action), ``payment`` (weighted,
        over all actions of the node), ``paid`` (weighted, of this action where it is recorded).
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
        paid, listed = (mechanism.payment[t] != 0).any(axis=0), mechanism.allocation[t] > 0
        if tree.branches[t] > 1:
            listed |= paid
        else:
            listed[:, 0] |= paid[:, 0] & ~listed.any(axis=1)
        for node, action in zip(*np.nonzero(listed), strict=True):
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
                        "paid": mechanism.payment[t][i, node, action if tree.branches[t] > 1 else 0],
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


def from_frame(
    table: pd.DataFrame | str | Path,
    environment: AnyTypes,
    claims: tuple[Constraint, ...] = (),
    tree: PublicTree | None = None,
) -> Mechanism | SequenceMechanism:
    """Read a mechanism from a table.

    Parameters
    ----------
    table : pandas.DataFrame, or path of a CSV file
        See the module's docstring.
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        What it is a mechanism for; with a finite horizon.
    claims : tuple of Constraint
        What it is said to satisfy.
    tree : PublicTree, optional
        Of the histories, where types are persistent; default that of reports which the past allows and of actions that
        move types.

    Returns
    -------
    Mechanism, or SequenceMechanism where types are persistent

    Raises
    ------
    InputError
        If columns or rows are missing, stand twice, or name what the environment does not have.

    Examples
    --------
    A posted price of 2, written down by hand:

    >>> import pandas as pd
    >>> from mechopt.verification.verify import verify
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    >>> rows = {"period": 0, "past": "", "report_0": [1, 2], "allocation": [0, 1], "payment": [0, 2]}
    >>> posted = from_frame(pd.DataFrame(rows), env)
    >>> posted.revenue, verify(posted)["dic"].holds
    (1.0, True)
    """
    import pandas as pd

    if isinstance(table, (str, Path)):
        try:
            table = pd.read_csv(table, keep_default_na=False, dtype={"past": str, "history": str, "action": str})
        except (OSError, ValueError) as error:
            raise InputError(f"{table}: cannot be read as CSV ({error})") from None
    if isinstance(environment, IndependentTypes):
        return _direct(table, environment, claims)
    if tree is None and isinstance(environment, SeparableTypes):
        environment = _unfolded(environment, table)
    return _sequence(table, tree or PublicTree(joint_process(environment)), claims)


def _unfolded(environment: SeparableTypes, table: pd.DataFrame) -> MarkovTypes:
    """The Markov form that has the actions at contracting that a table names: types left out there, or nobody."""
    usual = environment.to_markov()
    if "period" not in table or "action" not in table:
        return usual
    named = set(table.loc[table["period"] == 0, "action"])
    if named <= set(usual.action_names(0)):
        return usual
    try:
        other = environment.to_markov(exclusion=not environment.exclusion_matters)
    except (InputError, LimitError):
        return usual
    return other if named <= set(other.action_names(0)) else usual


def _columns(table: pd.DataFrame, needed: tuple[str, ...]) -> dict[str, list[Any]]:
    """Columns as lists, those that are needed."""
    missing = [name for name in needed if name not in table]
    if missing:
        have = ", ".join(map(str, table.columns))
        raise InputError([Fault(missing[0], "is not a column", f"needed: {', '.join(needed)}; there are: {have}")])
    return {str(name): table[name].tolist() for name in table.columns}


def _numbers(columns: dict[str, list[Any]], name: str) -> FloatArray:
    try:
        found = np.array([float(entry) for entry in columns[name]])
    except (TypeError, ValueError) as error:
        raise InputError([Fault(name, f"holds something that is not a number ({error})", "give numbers")]) from None
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found))[0])
        raise InputError([Fault(f"{name}[{row}]", f"is {found[row]}", "give a finite number")])
    return found


def _whole(columns: dict[str, list[Any]], name: str, below: int, row_count: int) -> list[int]:
    """A column of whole numbers from 0 on, 0 where it is missing."""
    if name not in columns:
        return [0] * row_count
    found = _numbers(columns, name)
    for row, number in enumerate(found):
        if number != int(number) or not 0 <= number < below:
            what = f"is {number:g}"
            raise InputError([Fault(f"{name}[{row}]", what, f"give a whole number from 0 to {below - 1}")])
    return [int(number) for number in found]


def _place(known: dict[Any, int], value: Any, where: str) -> int:
    """Number of something that is known by its name or value."""
    if value not in known:
        listed = ", ".join(map(str, list(known)[:8])) + (", ..." if len(known) > 8 else "")
        raise InputError([Fault(where, f"{shortened(repr(value))} is not known there", f"known: {listed}")])
    return known[value]


def _text(entry: Any) -> str:
    """A text that a reader of CSV may have taken for a number."""
    if isinstance(entry, float):
        return "" if np.isnan(entry) else f"{entry:g}"
    return str(entry).strip()


def _once(rows: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]], words: str) -> None:
    """Refuse rows that stand twice, and wanted ones that do not stand at all."""
    if len(set(rows)) < len(rows):
        row, twice = next((n, r) for n, r in enumerate(rows) if r in rows[:n])
        raise InputError([Fault(f"row {row}", f"is the second for {words} {list(twice)}", "give each once")])
    there = set(rows)
    missing = [place for place in wanted if place not in there]
    if missing:
        shown = "; ".join(str(list(place)) for place in missing[:SHOWN])
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise InputError([Fault("", f"has no row for {words} {shown}{more}", "give one each")])


def _direct(table: pd.DataFrame, env: IndependentTypes, claims: tuple[Constraint, ...]) -> Mechanism:
    tree, reports = HistoryTree(env), tuple(f"report_{j}" for j in range(env.agents))
    by_number = "history" in table
    columns = _columns(table, ("period", "history" if by_number else "past", *reports, "allocation", "payment"))
    count = len(table)
    periods, buyers = (
        _whole(columns, name, below, count) for name, below in (("period", env.horizon), ("buyer", env.agents))
    )
    known = [[{float(v): k for k, v in enumerate(row[t])} for row in env.values] for t in range(env.horizon)]
    pasts = [] if by_number else _pasts(tree)
    told = [_numbers(columns, name) for name in reports]
    numbers = _numbers(columns, "history").astype(int).tolist() if by_number else []
    rows = list[tuple[Any, ...]]()
    for row, (t, i) in enumerate(zip(periods, buyers, strict=True)):
        if by_number:
            history = numbers[row]
            if not 0 <= history < tree.count[t]:
                what = f"is {history}, there are {tree.count[t]} in period {t}"
                raise InputError([Fault(f"history[{row}]", what, "number them from 0, the first period slowest")])
        else:
            history = _place(pasts[t], _text(columns["past"][row]), f"past[{row}]")
        profile = [_place(known[t][j], float(told[j][row]), f"report_{j}[{row}]") for j in range(env.agents)]
        rows.append((t, i, history, *profile))
    every = [
        (t, i, *map(int, place))
        for t in range(env.horizon)
        for i in range(env.agents)
        for place in np.ndindex(*tree.children(t))
    ]
    _once(rows, every, "period, buyer, history and reports")
    found = {}
    for name in ("allocation", "payment"):
        arrays = [np.zeros((env.agents, *tree.children(t))) for t in range(env.horizon)]
        for (t, *place), number in zip(rows, _numbers(columns, name), strict=True):
            arrays[t][tuple(place)] = number
        found[name] = arrays
    return Mechanism(env, tuple(found["allocation"]), tuple(found["payment"]), claims, "table")


def _pasts(tree: HistoryTree) -> list[dict[str, int]]:
    """Histories by their values as text, as `to_frame` writes them."""
    env, found = tree.environment, list[dict[str, int]]()
    for t in range(tree.horizon):
        known = dict[str, int]()
        for node in range(tree.count[t]):
            steps = enumerate(tree.history(t, node))
            told = ["/".join(f"{env.values[j][s][k]:g}" for j, k in enumerate(m)) for s, m in steps]
            if " ".join(told) in known:
                fix = "give the column history (numbers of histories) instead"
                raise InputError([Fault("past", f"{' '.join(told)!r} stands for two histories", fix)])
            known[" ".join(told)] = node
        found.append(known)
    return found


def _sequence(table: pd.DataFrame, tree: PublicTree, claims: tuple[Constraint, ...]) -> SequenceMechanism:
    paid_by_action = "paid" in table
    needed = ("period", "history", "reports", "action", "weight", "paid" if paid_by_action else "payment")
    columns, count, process = _columns(table, needed), len(table), tree.process
    periods, agents = (
        _whole(columns, name, below, count) for name, below in (("period", tree.horizon), ("agent", process.agents))
    )
    weights, paid = _numbers(columns, "weight"), _numbers(columns, needed[-1])
    slots = [{tree.written(t, s): s for s in range(tree.slots[t])} for t in range(tree.horizon)]
    names = [{name: a for a, name in enumerate(process.environment.action_names(t))} for t in range(tree.horizon)]
    allocation = [np.zeros((tree.count[t], process.actions[t])) for t in range(tree.horizon)]
    payment = [np.zeros((process.agents, tree.count[t], tree.branches[t])) for t in range(tree.horizon)]
    shares = [np.zeros_like(part) for part in payment]
    rows, given = list[tuple[Any, ...]](), dict[tuple[int, int, int], float]()
    for row, (t, i) in enumerate(zip(periods, agents, strict=True)):
        slot = _place(slots[t], _text(columns["history"][row]), f"history[{row}]")
        types = tuple(int(k) for k in re.findall(r"-?\d+", str(columns["reports"][row])))
        node = -1
        if len(types) == process.agents and all(0 <= k < n for k, n in zip(types, process.shape[t], strict=True)):
            profile = int(np.ravel_multi_index(types, process.shape[t]))
            node = int(tree.find(t, np.array(slot), np.array(profile)))
        if node < 0:
            what = f"{columns['reports'][row]} cannot be reported after {columns['history'][row]}"
            raise InputError([Fault(f"reports[{row}]", what, "give one type index an agent, that the past allows")])
        action = _place(names[t], _text(columns["action"][row]), f"action[{row}]")
        weight, number = float(weights[row]), float(paid[row])
        key = t, node, action
        if given.setdefault(key, weight) != weight:
            what = f"is {weight:g} for agent {i}, and {given[key]:g} for another"
            raise InputError([Fault(f"weight[{row}]", what, "an action has one weight, the same in the rows of all")])
        rows.append((t, i, node, action))
        allocation[t][node, action] = weight
        branch = action if tree.branches[t] > 1 else 0
        if tree.branches[t] > 1 and not paid_by_action:  # of all actions: divided as the weights are
            shares[t][i, node, branch] = weight
            payment[t][i, node, branch] = number
        else:
            payment[t][i, node, branch] = number
    every = [(t, i, n, a) for t, n, a in given for i in range(process.agents)]
    _once(rows, every, "period, agent, node and action")
    if not paid_by_action:
        for part, share in zip(payment, shares, strict=True):
            total = share.sum(axis=2, keepdims=True)
            part *= np.divide(share, total, out=np.ones_like(share), where=total > 0)
    return SequenceMechanism(tree, tuple(allocation), tuple(payment), claims, "table")
