"""An explanation as text at 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mechopt.core.errors import InputError, LimitError
from mechopt.core.printable import printable
from mechopt.show.explain.explain import explain
from mechopt.show.explain.explanation import Explanation
from mechopt.show.explain.wording import likelihood, verdicts
from mechopt.show.terminal.fitted import WIDTH, fitted, paragraph
from mechopt.solve.result import Optimum
from mechopt.solve.solution import Status

if TYPE_CHECKING:
    from mechopt.show.explain.policies.explanation import PolicyExplanation

MOST_RULES = 60
"""Rules that are printed; the page and the data frame hold all."""
FEW_STATES = 8
"""States up to which ``mechopt solve`` ends with the table."""
FEW_HISTORIES = 400
"""Histories up to which it looks for it."""


def lines(found: Explanation | PolicyExplanation, width: int = WIDTH, most: int = MOST_RULES) -> list[str]:
    """Summary, rules by state, likeliest histories, and what memory is worth.

    Parameters
    ----------
    found : Explanation or PolicyExplanation
    width : int
    most : int
        Rules that are printed.
    """
    if not isinstance(found, Explanation):
        from mechopt.show.explain.policies.page import lines as of_tables

        return of_tables(found, width, most)
    told = paragraph(printable(found.summary), width)
    told += [line for words in found.structures for line in paragraph(printable(words), width)]
    if found.note:
        told += paragraph(f"note: {found.note}", width)
    if found.report is not None:
        told += paragraph(f"verified: {verdicts(found.report)}", width)
    if len(found.agents) > 1:
        told += paragraph(f"reports and payments in the order of agents: {printable(' / '.join(found.agents))}", width)
    told.append("")
    told += rules(found, width, most)
    told.append("likeliest histories")
    likely = [[likelihood(chance), printable(words)] for chance, words in found.likeliest()]
    told += ["  " + line for line in fitted(["", ""], likely, right=(0,), width=width - 2)[2:]]
    if words := found.less_memory():
        told += paragraph(words, width)
    return told


def text(found: Explanation) -> str:
    """The lines as one text; see `Explanation`."""
    return "\n".join(lines(found))


def show_optimum(best: Optimum) -> None:
    """Print the explanation of an optimum."""
    print("\n".join(lines(explain(best))))


def rules(found: Explanation, width: int = WIDTH, most: int = MOST_RULES) -> list[str]:
    """Rules by state."""
    rows: list[list[str]] = []
    for state in found.states:
        for number, rule in enumerate(state.rules):
            first = [state.name, printable(state.words), state.when] if number == 0 else ["", "", ""]
            after = ", ".join(rule.next) or "end"
            rows.append([*first, printable(rule.reports), printable(rule.then), rule.pays, after])
    table = fitted(["", "state", "when", "report", "then", "pays", "next"], rows[:most], right=(5,), width=width)
    if len(rows) > most:
        table.append(f"... and {len(rows) - most:,} more rules")
    return table


def few_states(best: Optimum) -> list[str]:
    """The rules of an optimum where they are few and quickly found; nothing otherwise."""
    found = quickly_explained(best)
    return [] if found is None else lines(found)


def quickly_explained(
    best: Optimum | None, histories: int = FEW_HISTORIES, states: int = FEW_STATES
) -> Explanation | PolicyExplanation | None:
    """Explanation of an optimum, where there is one with so few histories and states; None otherwise.

    Parameters
    ----------
    best : Optimum or None
    histories, states : int
        At most so many.
    """
    if best is None or best.mechanism is None or best.status is not Status.OPTIMAL or best.size.histories > histories:
        return None
    try:
        found = explain(best, lotteries=False)
    except (InputError, LimitError):
        return None
    return found if len(found.states) <= states else None
