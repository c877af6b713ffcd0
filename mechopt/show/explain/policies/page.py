"""An explanation from tables as one HTML file, as a small table for notebooks, and as text at 80 columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from mechopt.core.printable import printable
from mechopt.show.explain.page import COLOURS
from mechopt.show.explain.policies.explanation import PolicyExplanation
from mechopt.show.explain.wording import verdicts
from mechopt.show.notebook import table
from mechopt.show.page.page import render, write_report
from mechopt.show.terminal.fitted import WIDTH, fitted, paragraph

MOST_RULES = 60
"""Rules that are printed."""
MOST_ROWS = 20_000
"""Rows of the tables up to which a page holds them to be downloaded."""


def said(found: PolicyExplanation) -> list[str]:
    """Text above the rules."""
    told = list(found.structures)
    if not found.exactly:
        told.append("States hold table entries of one kind, so amounts are ranges; to_frame() has every entry.")
    if found.note:
        told.append(f"Note: {found.note}.")
    if found.report is not None:
        told.append(f"Verified: {verdicts(found.report)}.")
    return told


def lines(found: PolicyExplanation, width: int = WIDTH, most: int = MOST_RULES) -> list[str]:
    """Summary, rules by state, and where time is spent.

    Parameters
    ----------
    found : PolicyExplanation
    width : int
    most : int
        Rules that are printed.
    """
    told = paragraph(printable(found.summary), width)
    told += [line for words in said(found) for line in paragraph(printable(words), width)]
    if len(found.agents) > 1:
        told += paragraph(f"reports and payments in the order of agents: {printable(' / '.join(found.agents))}", width)
    told.append("")
    rows = rule_rows(found)
    header = ["", "state", "when", "report", "then", "pays", "next"]
    told += fitted(header, [[printable(cell) for cell in row] for row in rows[:most]], right=(5,), width=width)
    if len(rows) > most:
        told.append(f"... and {len(rows) - most:,} more rules")
    visits = "; ".join(f"{name} {share}" for share, name in found.visits())
    told += paragraph(f"share of the present value of all periods: {visits}", width)
    return told


def rule_rows(found: PolicyExplanation) -> list[list[str]]:
    """Rules by state as cells."""
    rows: list[list[str]] = []
    for state in found.states:
        for number, rule in enumerate(state.rules):
            first = [state.name, state.words, state.when] if number == 0 else ["", "", ""]
            rows.append([*first, rule.reports, rule.then, rule.pays, ", ".join(rule.next) or "end"])
    return rows


def text(found: PolicyExplanation) -> str:
    """The lines as one text; see `PolicyExplanation`."""
    return "\n".join(lines(found))


def table_html(found: PolicyExplanation) -> str:
    """Rules by state as an HTML table for notebooks."""
    header = ["", "state", "when", "report", "then", "pays", "next"]
    return table(header, rule_rows(found), f"{found.summary}. {' '.join(said(found))}", 40)


def state_rows(found: PolicyExplanation) -> list[dict[str, Any]]:
    """States with their rules, for ``rules_by_state`` of the templates."""
    number = {state.name: place for place, state in enumerate(found.states)}
    return [
        {
            "name": state.name,
            "words": state.words,
            "when": state.when,
            "count": f"{state.entries:,} entr{'y' if state.entries == 1 else 'ies'}",
            "rules": [
                {
                    "reports": rule.reports,
                    "then": rule.then,
                    "pays": rule.pays,
                    "next": [(name, number[name] % COLOURS) for name in rule.next],
                }
                for rule in state.rules
            ],
        }
        for state in found.states
    ]


def policy_page(found: PolicyExplanation, path: str | Path | None = None, title: str = "") -> str:
    """The page; see `PolicyExplanation.to_html`.

    Parameters
    ----------
    found : PolicyExplanation
    path : path, optional
        Where it is written, whole or not at all.
    title : str
    """
    size = sum(block.possible.size for block in found.tables.blocks) * len(found.agents)
    csv = ""
    if size <= MOST_ROWS:
        csv = "data:text/csv;charset=utf-8," + quote(found.to_frame().to_csv(index=False))
    page = render(
        "policy.html.j2",
        base="",
        title=title or "A mechanism",
        summary=found.summary,
        said=said(found),
        agents=" / ".join(found.agents),
        several=len(found.agents) > 1,
        states=state_rows(found),
        visits=found.visits(),
        csv=csv,
    )
    if path is not None:
        write_report(page, path)
    return page
