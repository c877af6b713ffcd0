"""An explanation as one HTML file to explore, and as a small table for notebooks."""

from __future__ import annotations

from fractions import Fraction
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from mechopt.mechanism.direct import Mechanism
from mechopt.show.explain.explanation import Explanation, Rule
from mechopt.show.explain.wording import likelihood, percent, profile_words, verdicts
from mechopt.show.page.page import render, write_report

if TYPE_CHECKING:
    from mechopt.study.formula.formula import Formula

BAR = 14
"""Width of a full bar, in rem."""
MOST_CHANCES = 40_000
"""Entries of the distributions of types up to which a page holds them, for probabilities and the tree."""
COLOURS = 8


def explanation_page(
    found: Explanation,
    path: str | Path | None = None,
    title: str = "",
    formula: Formula | None = None,
    point: Fraction | None = None,
) -> str:
    """The page; see `Explanation.to_html`.

    Parameters
    ----------
    found : Explanation
    path : path, optional
        Where it is written, whole or not at all.
    title : str
    formula : Formula, optional
        The optimum as a function of a parameter, for a slider.
    point : Fraction, optional
        Where the slider stands at first.
    """
    live = None
    if formula is not None:
        from mechopt.show.page.formula import live_part

        live = live_part(formula, point)
    said = [*found.structures]
    if found.note:
        said.append(f"Note: {found.note}.")
    if found.report is not None:
        said.append(f"Verified: {verdicts(found.report)}.")
    if len(found.states) <= 4:
        said.append(found.words)
    page = render(
        "explanation.html.j2",
        base="explanation.js",
        scripts=() if live is None else ("formula.js",),
        live=live,
        title=title or "A mechanism",
        summary=found.summary + (f"; remembers {found.memory}" if found.memory else ""),
        said=said,
        several=len(found.agents) > 1,
        agents=" / ".join(found.agents),
        states=state_rows(found),
        shares=share_rows(found),
        lotteries=found.lotteries.words if found.lotteries is not None else "",
        likeliest=[(likelihood(chance), words) for chance, words in found.likeliest()],
        csv="data:text/csv;charset=utf-8," + quote(found.to_frame().to_csv(index=False)),
        data=_data(found),
    )
    if path is not None:
        write_report(page, path)
    return page


def state_rows(found: Explanation) -> list[dict[str, Any]]:
    """States with their rules, for ``rules_by_state`` of the templates."""
    names = [state.name for state in found.states]
    return [
        {
            "name": state.name,
            "words": state.words,
            "when": state.when,
            "count": f"{state.histories:,} histor{'y' if state.histories == 1 else 'ies'}",
            "rules": [
                {
                    "reports": rule.reports,
                    "then": rule.then,
                    "pays": rule.pays,
                    "next": [(name, names.index(name) % COLOURS) for name in rule.next],
                }
                for rule in state.rules
            ],
        }
        for state in found.states
    ]


def share_rows(found: Explanation) -> list[dict[str, Any]]:
    """Rows on the worth of memory, for ``memory_shares`` of the templates."""
    return [
        {"memory": s.memory, "text": percent(s.share), "width": round(BAR * min(max(s.share, 0.0), 1.0), 2)}
        for s in found.shares
        if not np.isnan(s.share)
    ]


def _data(found: Explanation) -> dict[str, Any]:
    """Data of the page's script: rules by mode and profile, names, and the distribution of types."""
    play, names = found.automaton.play, [state.name for state in found.states]
    rules: list[dict[int, Any]] = []
    for mode, state in enumerate(found.states):
        row: dict[int, Any] = {}
        t = state.periods[0]
        for rule in state.rules:
            for profile in rule.profiles:
                worth = play.values[t][:, :, profile] @ np.array(rule.chances)
                row[profile] = {
                    "then": rule.then,
                    "pays": rule.pays,
                    "payments": [round(paid, 12) for paid in rule.payments],
                    "worth": [round(float(value), 12) for value in worth],
                    "next": _next(found, mode, rule, profile, names),
                }
        rules.append(row)
    return {
        "modes": names,
        "agents": list(found.agents),
        "horizon": play.horizon,
        "present": play.own_present_value.tolist(),
        "names": [[profile_words(play, t, k) for k in range(int(np.prod(play.shape[t])))] for t in range(play.horizon)],
        "rules": rules,
        **_chances(found),
    }


def _next(found: Explanation, mode: int, rule: Rule, profile: int, names: list[str]) -> list[list[float]]:
    """(chance, mode, branch) of what follows a rule."""
    if not rule.next:
        return []
    automaton = found.automaton
    for t, slots in automaton.members(mode):
        if t + 1 == automaton.play.horizon:
            continue
        nodes = automaton.nodes(t, int(slots[0]))
        for node in nodes[automaton.play.profile[t][nodes] == profile]:
            after = automaton.after(t, int(node))
            if len(after) == 1:
                return [[1.0, int(automaton.mode[t + 1][after[0]]), 0]]
            chances = automaton.play.allocation[t][node]
            return [
                [float(chances[b]), int(automaton.mode[t + 1][s]), b] for b, s in enumerate(after.tolist()) if s >= 0
            ]
    return []


def _chances(found: Explanation) -> dict[str, Any]:
    """Distribution of the first profile, and of the next one by action and profile; none where they are large."""
    mechanism = found.mechanism
    if isinstance(mechanism, Mechanism):
        distributions = [part.ravel() for part in mechanism.tree.distribution]
        initial, kernels = (
            distributions[0],
            [np.broadcast_to(after, (1, now.size, after.size)) for now, after in pairwise(distributions)],
        )
    else:
        initial, kernels = mechanism.process.initial, list(mechanism.process.kernel)
    if sum(kernel.size for kernel in kernels) > MOST_CHANCES:
        return {"initial": initial.tolist(), "kernel": None}
    return {"initial": initial.tolist(), "kernel": [kernel.tolist() for kernel in kernels]}


def table_html(found: Explanation, most: int = 40) -> str:
    """Rules by state as an HTML table for notebooks: no script, no colours of its own.

    Parameters
    ----------
    found : Explanation
    most : int
        Rules that are shown.
    """
    rows, count = [], 0
    for state in found.states:
        for number, rule in enumerate(state.rules):
            count += 1
            if count > most:
                continue
            first = [state.name, state.words, state.when] if number == 0 else ["", "", ""]
            cells = [*first, rule.reports, rule.then, rule.pays, ", ".join(rule.next) or "end"]
            rows.append("".join(f'<td style="text-align: left">{escape(cell)}</td>' for cell in cells))
    header = "".join(
        f'<th style="text-align: left">{name}</th>' for name in ("", "state", "when", "report", "then", "pays", "next")
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    more = f"<p>… and {count - most:,} more rules</p>" if count > most else ""
    agents = f"<p>In the order of agents: {escape(' / '.join(found.agents))}</p>" if len(found.agents) > 1 else ""
    said = "".join(f"<p>{escape(line)}</p>" for line in (*found.structures, found.note, found.less_memory()) if line)
    return (
        f"<div><p><strong>{escape(found.summary)}</strong></p>{agents}"
        f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>{more}{said}</div>"
    )
