"""Payments and systems as tables with names instead of numbers: pandas frames, comma-separated text, LaTeX."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.core.errors import InputError
from mechopt.environment.interdependent import InterdependentTypes

if TYPE_CHECKING:
    from pandas import DataFrame

PAYMENT_COLUMNS = ("agent", "period", "due", "action", "others", "report", "others_next", "payment", "exact")
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
        Not stacked.

    Returns
    -------
    list of dicts
        ``others`` and ``others_next`` are tuples of names, agents increasing; ``report`` is None for payments that do
        not depend on it. Only actions that some report leads to are listed. ``exact`` is text, or None.
    """
    env: InterdependentTypes = transfers.environment
    if transfers.method == "stacked":
        raise InputError("payments: stacked transfers are due in several periods and have no such table; see .payments")
    exact, rows = transfers.exact, list[dict[str, Any]]()
    for i, fee in enumerate(transfers.fees):
        if fee:
            precise = None if exact is None else exact.fees[i]
            rows.append(_row(env.names[i], 0, 0, None, (), None, (), fee, precise))
    for t, row in enumerate(transfers.payments):
        following = env.following(t)
        for i, table in enumerate(row):
            names = _others(env, t, i), _others(env, following, i)
            reached = np.moveaxis(transfers.policy[t], i, -1).reshape(-1, env.shape[t][i])
            free = table.ndim == 2 * env.agents - 1
            wide = table.reshape(len(table), len(reached), 1 if free else env.shape[t][i], -1)
            precise = None if exact is None else exact.payments[t][i].reshape(-1, len(reached), *wide.shape[2:])
            for a, s, r, n in np.ndindex(wide.shape):
                if not (a in reached[s] if free else reached[s, r] == a):
                    continue
                own = None if free else env.types[i][t][r]
                kept = None if precise is None else precise[a, s, 0 if precise.shape[2] == 1 else r, n]
                action = env.action_names(t)[a]
                value = float(wide[a, s, r, n])
                rows.append(_row(env.names[i], t, t + 1, action, names[0][s], own, names[1][n], value, kept))
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


def _row(agent: str, about: int, due: int, action: Any, others: Any, own: Any, then: Any, paid: Any, exact: Any) -> Any:
    text = None if exact is None else str(exact)
    return dict(zip(PAYMENT_COLUMNS, (agent, about, due, action, others, own, then, paid, text), strict=True))


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
