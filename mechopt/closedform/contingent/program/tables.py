"""Payments and systems as tables with names instead of numbers: pandas frames, comma-separated text, LaTeX."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import LimitError
from mechopt.environment.interdependent import InterdependentTypes

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_ROWS = 500_000
"""Payments that a table is made of."""
PAYMENT_COLUMNS = ("agent", "period", "due", "action", "others", "report", "others_next", "payment", "exact", "past")
SYSTEM_COLUMNS = (
    "agent",
    "period",
    "action",
    "others",
    "used",
    "rank",
    "signals",
    "singular_values",
    "distances",
    "spanning",
    "convex_independence",
    "to_lose_spanning",
    "to_lose_convex_independence",
    "to_restore_spanning",
    "to_restore_convex_independence",
)


def payment_rows(transfers: Any) -> list[dict[str, Any]]:
    """Every payment with names: fees first, then contingent ones by the period they are about, then the last period's.

    Parameters
    ----------
    transfers : ContingentTransfers

    Returns
    -------
    list of dicts
        ``others`` and ``others_next`` are tuples of names, agents increasing, of several periods one after the other;
        ``report`` is None for payments that do not depend on it. Only actions that some report leads to are listed.
        ``exact`` is text, or None. ``past`` is empty but for stacked transfers where actions move the signals, which
        depend on earlier periods: their actions and the others' signals, or everybody's reports (`transfers.reports`).

    Raises
    ------
    LimitError
        If there are too many.
    """
    env: InterdependentTypes = transfers.environment
    exact, rows = transfers.exact, list[dict[str, Any]]()
    for i, fee in enumerate(transfers.fees):
        if fee:
            precise = None if exact is None else exact.fees[i]
            rows.append(_row(env.names[i], 0, 0, None, (), None, (), fee, precise))
    for t, row in enumerate(transfers.payments):
        for i in range(len(row)):
            if transfers.history:
                rows += _by_history(transfers, t, i)
                continue
            for due, periods, table, precise in _promises(transfers, t, i):
                rows += _promised(transfers, t, i, due, periods, table, precise)
    for i, table in enumerate(transfers.last_payments or ()):
        final = env.stages - 1
        for profile in np.ndindex(table.shape):
            signals = [env.types[j][final][k] for j, k in enumerate(profile)]
            own, others = signals[i], tuple(name for j, name in enumerate(signals) if j != i)
            action = env.action_names(final)[transfers.policy[final][profile]]
            kept = None if exact is None or exact.last_payments is None else exact.last_payments[i][profile]
            rows.append(_row(env.names[i], final, final, action, others, own, (), float(table[profile]), kept))
    return rows


def payments_frame(transfers: Any) -> DataFrame:
    """Every payment as a row of a table.

    Parameters
    ----------
    transfers : ContingentTransfers

    Returns
    -------
    pandas.DataFrame
        Columns `PAYMENT_COLUMNS`: the agent who pays, the period that the payment is about and the one that it is due
        in, the action, the others' signals, the own report, the others' next signals, the payment.
    """
    import pandas as pd

    return pd.DataFrame(payment_rows(transfers), columns=list(PAYMENT_COLUMNS))


def separated(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    """Rows as comma-separated text with a header; several names or numbers in one field are separated by blanks.

    Parameters
    ----------
    rows : sequence of dicts
    columns : sequence of str
        Keys, in order.

    Examples
    --------
    >>> print(separated([{"agent": "A", "others": ("low", "high"), "payment": 0.5}], ("agent", "others", "payment")))
    agent,others,payment
    A,low high,0.5
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        fields = [row.get(column) for column in columns]
        writer.writerow([" ".join(map(str, f)) if isinstance(f, (tuple, list)) else f for f in fields])
    return text.getvalue().rstrip("\n")


def latex(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    r"""Rows as a LaTeX ``tabular``.

    Parameters
    ----------
    rows : sequence of dicts
    columns : sequence of str
        Keys, in order; columns without any entry are left out.

    Examples
    --------
    >>> print(latex([{"agent": "A_1", "payment": 0.5}], ("agent", "payment")))
    \begin{tabular}{ll}
    agent & payment \\
    \hline
    A\_1 & 0.5 \\
    \end{tabular}
    """
    shown = [column for column in columns if any(row.get(column) not in (None, ()) for row in rows)]
    lines = [" & ".join(map(_escaped, shown)) + r" \\", r"\hline"]
    lines += [" & ".join(_escaped(row.get(column)) for column in shown) + r" \\" for row in rows]
    return "\n".join([rf"\begin{{tabular}}{{{'l' * len(shown)}}}", *lines, r"\end{tabular}"])


def _promises(transfers: Any, t: int, i: int) -> list[tuple[int, list[int], Any, Any]]:
    """Payments about a period: when each is due, the periods whose signals it depends on, floats and fractions."""
    exact, now = transfers.exact, transfers.payments[t][i]
    if transfers.together:
        env = transfers.environment
        length = transfers.together if env.infinite else min(transfers.together, env.stages - 1 - t)
        return [(t + length, list(range(t + 1, t + length + 1)), now, None if exact is None else exact.payments[t][i])]
    tables = [now, *(transfers.later[t][i] if transfers.later else ())]
    precise: list[Any] = [None] * len(tables)
    if exact is not None:
        precise = [exact.payments[t][i], *(exact.later[t][i] if transfers.later else ())]
    return [(t + 1 + k, [t + 1 + k], table, precise[k]) for k, table in enumerate(tables)]


def _promised(transfers: Any, t: int, i: int, due: int, periods: list[int], table: Any, precise: Any) -> list[Any]:
    """Rows of one table ``(action, *others, [own,] *others' signals of the periods)``."""
    env: InterdependentTypes = transfers.environment
    names, rows = _others(env, t, i), list[dict[str, Any]]()
    then = [sum(path, ()) for path in product(*(_others(env, env.at(period), i) for period in periods))]
    reached = np.moveaxis(transfers.policy[t], i, -1).reshape(-1, env.shape[t][i])
    free = table.ndim == 1 + (env.agents - 1) * (1 + len(periods))
    wide = table.reshape(len(table), len(reached), 1 if free else env.shape[t][i], -1)
    _require_few(wide.size)
    kept = None if precise is None else precise.reshape(len(wide), len(reached), -1, wide.shape[-1])
    for a, s, r, n in np.ndindex(wide.shape):
        if not (a in reached[s] if free else reached[s, r] == a):
            continue
        own = None if free else env.types[i][t][r]
        fraction = None if kept is None else kept[a, s, 0 if kept.shape[2] == 1 else r, n]
        action, value = env.action_names(t)[a], float(wide[a, s, r, n]) + 0.0
        rows.append(_row(env.names[i], t, due, action, names[s], own, then[n], value, fraction))
    return rows


def _by_history(transfers: Any, t: int, i: int) -> list[Any]:
    """Rows of payments that depend on all earlier periods."""
    env: InterdependentTypes = transfers.environment
    table, rows, then = transfers.payments[t][i], list[dict[str, Any]](), _others(env, t + 1, i)
    exact = None if transfers.exact is None else transfers.exact.payments[t][i]
    _require_few(table.size)
    here = []
    for s in range(t + 1):
        if transfers.reports:
            here.append([(int(transfers.policy[s][p]), p) for p in np.ndindex(env.shape[s])])
            continue
        reached = np.moveaxis(transfers.policy[s], i, -1)
        here.append(
            [(a, p) for a in range(env.action_counts[s]) for p in np.ndindex(reached.shape[:-1]) if a in reached[p]]
        )
    for path in product(*here):
        places = [(*p,) if transfers.reports else (a, *p) for a, p in path]
        place, past = tuple(k for part in places for k in part), list[str]()
        for s, (a, p) in enumerate(path[:-1]):
            past += [] if transfers.reports else [env.action_names(s)[a]]
            past += _named(env, s, i, p, transfers.reports)
        a, p = path[-1]
        own = env.types[i][t][p[i]] if transfers.reports else None
        beside = tuple(k for j, k in enumerate(p) if j != i) if transfers.reports else p
        others = tuple(_named(env, t, i, beside, False))
        for n, value in enumerate(table[place].ravel()):
            fraction = None if exact is None else exact[place].ravel()[n]
            found = _row(env.names[i], t, t + 1, env.action_names(t)[a], others, own, then[n], float(value), fraction)
            rows.append(found | {"past": tuple(past)})
    return rows


def _named(env: InterdependentTypes, t: int, agent: int, signals: Any, everybody: bool) -> list[str]:
    who = [j for j in range(env.agents) if everybody or j != agent]
    return [env.types[j][t][k] for j, k in zip(who, signals, strict=True)]


def _require_few(entries: int) -> None:
    if entries > MOST_ROWS:
        raise LimitError(f"payments: {entries:,} are too many for a table, at most {MOST_ROWS:,}; see .payments")


def _row(agent: str, about: int, due: int, action: Any, others: Any, own: Any, then: Any, paid: Any, exact: Any) -> Any:
    text = None if exact is None else str(exact)
    return dict(zip(PAYMENT_COLUMNS, (agent, about, due, action, others, own, then, paid, text, ()), strict=True))


def _others(env: InterdependentTypes, t: int, agent: int) -> list[tuple[str, ...]]:
    """Names of the others' profiles."""
    return list(product(*(names[t] for j, names in enumerate(env.types) if j != agent)))


def _escaped(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_escaped, value))
    text = str(value)
    for mark in "&%$#_{}":
        text = text.replace(mark, "\\" + mark)
    return text
