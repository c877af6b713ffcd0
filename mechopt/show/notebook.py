"""Small HTML tables for notebooks, without scripts and colours of their own, readable on light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from mechopt.core.errors import MechoptError
from mechopt.core.numbers import without_noise
from mechopt.core.printable import printable
from mechopt.environment.words import model_words
from mechopt.show.counterexample import sentence
from mechopt.show.explain.wording import amount
from mechopt.solve.result import Optimum
from mechopt.study.compare.comparison import Comparison
from mechopt.verification.report import Report

MOST_ROWS = 30
"""Rows of a table that are shown."""
MOST_NAMES = 8
"""Names of types that are listed."""
LEFT = ' style="text-align: left"'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], heading: str = "", most: int = MOST_ROWS) -> str:
    """An HTML table; everything in it is text.

    Parameters
    ----------
    header : sequence of str
        None, for a table of labels and texts, where it is empty.
    rows : sequence of sequences of str
    heading : str
        Above it.
    most : int
        Rows that are shown; the rest are counted.

    Examples
    --------
    >>> "<td>&lt;1&gt;</td>" in table([], [["value", "<1>"]]).replace(LEFT, "")
    True
    """
    top = "".join(f"<th{LEFT}>{_text(name)}</th>" for name in header)
    body = "".join(f"<tr>{_row(row, bool(header))}</tr>" for row in rows[:most])
    head = f"<thead><tr>{top}</tr></thead>" if header else ""
    above = f"<p><strong>{_text(heading)}</strong></p>" if heading else ""
    below = f"<p>… and {len(rows) - most:,} more</p>" if len(rows) > most else ""
    return f"<div>{above}<table>{head}<tbody>{body}</tbody></table>{below}</div>"


def _text(text: str) -> str:
    return escape(printable(str(text)))


def _row(row: Sequence[str], plain: bool) -> str:
    first, *rest = row
    opened = f"<td{LEFT}>{_text(first)}</td>" if plain else f"<th{LEFT}>{_text(first)}</th>"
    return opened + "".join(f"<td{LEFT}>{_text(cell)}</td>" for cell in rest)


def names(constraints: Iterable[Any]) -> str:
    """Constraints as on the command line."""
    return " + ".join(constraint.name for constraint in constraints) or "none"


def optimum(best: Optimum) -> str:
    """An optimum: value, bracket, what it is under, and the mechanism's amounts."""
    rows = [[f"largest {best.objective}", str(best.exact) if best.exact is not None else f"{best.value:.9g}"]]
    rows.append(["bracket", f"{best.bound.lower:.12g} to {best.bound.upper:.12g}"])
    rows += [["status", str(best.status)], ["constraints", f"{names(best.ic)}; {names(best.ir)}"]]
    if best.mechanism is not None:
        rows += _amounts(best.mechanism)
    rows += [["conflict", line] for line in best.conflict]
    rows.append(["method", f"{best.method}, {best.form} form, {sum(best.seconds.values()):.3g} s"])
    return table([], rows, "Optimum")


def _amounts(mechanism: Any) -> list[list[str]]:
    """Revenue, welfare and utilities."""
    amounts = [mechanism.revenue, mechanism.welfare, *mechanism.utilities]
    scale = max(map(abs, amounts))
    revenue, welfare, *utilities = (f"{without_noise(part, scale):.6g}" for part in amounts)
    return [["revenue", revenue], ["welfare", welfare], ["utilities", ", ".join(utilities)]]


def mechanism(found: Any) -> str:
    """A mechanism of any form: amounts and claims."""
    rows = []
    try:
        rows = _amounts(found)
    except MechoptError as error:
        rows = [["amounts", str(error)]]
    rows.append(["claims", names(found.claims)])
    if found.guarantee is not None:
        rows.append(["guarantee", f"{found.guarantee} of the largest revenue"])
    return table([], rows, repr(found).partition("(")[0])


def comparison(found: Comparison) -> str:
    """A comparison: one row a mechanism, bounds last."""
    header, rows = found.cells()
    bounds = {entry.name for entry in found.entries if entry.computed == "bound"}
    listed = [row for row in rows if row[0] not in bounds]
    listed += [[f"{row[0]} (bound)", *row[1:]] for row in rows if row[0] in bounds]
    return table(header, listed, "Mechanisms")


def report(found: Report) -> str:
    """A verification: one row a constraint."""
    words = None if found.environment is None else model_words(found.environment)
    rows = []
    for constraint, check in found.items():
        example = check.counterexample
        told = "" if example is None else str(example) if words is None else sentence(example, words)
        rows.append([constraint.name, str(check.status), amount(check.gain), told])
    return table(
        ["constraint", "status", "largest gain", "where"], rows, "Satisfied" if found.holds else "Not satisfied"
    )


def frame(found: Any) -> str:
    """Table of the first rows of a data frame."""
    data = found.to_frame()
    rows = [[_cell(value) for value in row] for row in data.head(MOST_ROWS + 1).itertuples(index=False)]
    shown = table([str(name) for name in data.columns], rows, type(found).__name__)
    return shown.replace("… and 1 more", f"… and {len(data) - MOST_ROWS:,} more")


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def fit(found: Any) -> str:
    """Table of an estimate from data."""
    return table([], [list(row) for row in found.summary()], "Fit")


def environment(found: Any) -> str:
    """An environment: agents and their types."""
    rows = []
    try:
        if found.kind == "scenarios":
            rows = [[name, ", ".join(sequence)] for name, sequence in found.scenarios.items()]
            return table(["scenario", "distributions"], rows, repr(found))
        for name, periods in zip(found.names, found.types, strict=True):
            kinds = [_listed(row) for row in periods]
            same = len(set(kinds)) == 1
            rows.append(
                [name, kinds[0] if same else "; ".join(f"t={t}: {row}" for t, row in enumerate(kinds[:MOST_NAMES]))]
            )
    except MechoptError:
        rows = []
    return table(["agent", "types"], rows, repr(found)) if rows else table([], [["environment", repr(found)]])


def _listed(row: Sequence[str]) -> str:
    more = f", … ({len(row)})" if len(row) > MOST_NAMES else ""
    return ", ".join(row[:MOST_NAMES]) + more
