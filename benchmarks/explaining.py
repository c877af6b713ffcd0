"""What an explanation costs beside the solve: states, payments, memory and seconds by model.

``python -m benchmarks.explaining`` writes RESULTS-explaining.md; ``python -m benchmarks.explaining quick`` prints a
few rows. One process, one thread; processor time, medians of three after one run that loads what is needed.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import mechopt as mo
from mechopt.show.explain.automaton import automaton
from mechopt.show.explain.payments import different_payments
from mechopt.show.explain.play import play_of

RESULTS = Path(__file__).parent / "RESULTS-explaining.md"
HALF = ["1/2", "1/2"]
STAY = [["7/10", "1/5", "1/10"], ["3/20", "7/10", "3/20"], ["1/10", "1/5", "7/10"]]


def two_values(periods: int) -> Any:
    """Values 1 and 2, even odds."""
    return mo.IndependentTypes.iid([1, 2], HALF, horizon=periods)


def subscription(periods: int, discount: object = 1) -> Any:
    """Three persistent types, one item a period."""
    third = ["1/3"] * 3
    return mo.MarkovTypes([[[0, 0, 0], [1, 2, 4]]], [STAY], [third], horizon=periods, discount=discount)


def battaglini(periods: int) -> Any:
    """The bundled model of two types, over other horizons."""
    return replace(mo.load("battaglini-2005/two-types"), horizon=periods)


def two_buyers() -> Any:
    """Values 1, 2 and 1, 3."""
    return mo.IndependentTypes([[[1, 2]] * 3, [[1, 3]] * 3], [[HALF] * 3, [HALF] * 3])


MODELS: dict[str, Callable[[], Any]] = {
    "two persistent types, T=3": lambda: battaglini(3),
    "two persistent types, T=5": lambda: battaglini(5),
    "local constraints are not enough": lambda: mo.load("battaglini-2005/local-constraints-are-not-enough"),
    "{1,2}, T=3": lambda: two_values(3),
    "{1,2}, T=4": lambda: two_values(4),
    "{1,2}, T=5": lambda: two_values(5),
    "eBay, six types, T=4": lambda: mo.load("ebay/mario-kart-quantiles"),
    "subscription 3x5": lambda: subscription(5),
    "subscription 3x5, discount 9/10": lambda: subscription(5, "9/10"),
    "subscription 3x7": lambda: subscription(7),
    "two buyers, T=3": two_buyers,
    "sequential screening": lambda: mo.load("kakade-lobel-nazerzadeh-2013/non-separable"),
    "interdependent, crossed signals": lambda: mo.load("liu-2025/crossed-signals"),
    "clicks are learned": lambda: mo.load("kakade-lobel-nazerzadeh-2013/clicks"),
    "{1,2}, T=30 (from its tables)": lambda: two_values(30),
    "{1,2,4}, T=40, discount 19/20 (from its tables)": lambda: mo.IndependentTypes.iid(
        [1, 2, 4], ["1/3"] * 3, horizon=40, discount="19/20"
    ),
}
QUICK = ("two persistent types, T=3", "{1,2}, T=3", "subscription 3x5")


@dataclass(frozen=True)
class Row:
    """One model."""

    name: str
    histories: str
    vertex: str
    states: int
    payments: str
    memory: str
    solve: float
    program: float
    explain: float
    verified: str
    lost: float


def seconds(work: Callable[[], Any]) -> float:
    """Processor time, median of three."""
    taken = []
    for _ in range(3):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return median(taken)


def measured(name: str) -> Row:
    """Solve and explain one model."""
    env = MODELS[name]()
    best = mo.optimum(env)
    found: Any = best.explain()
    solve, explain = seconds(lambda: mo.optimum(env)), seconds(best.explain)
    if not isinstance(found, mo.results.Explanation):
        entries = f"{found.tables.entries:,} entries"
        return Row(name, entries, "", len(found.states), "", "its own state", solve, float("nan"), explain, "", 0.0)
    program = seconds(lambda: mo.optimum(env, method="program"))
    vertex = automaton(play_of(mo.optimum(env, method="program").mechanism))
    report = mo.verify(found.mechanism, (*best.ic, *best.ir))
    return Row(
        name,
        f"{found.histories:,}",
        f"{vertex.modes} / {different_payments(vertex)}",
        len(found.states),
        str(found.payments),
        found.memory or "actions are recorded",
        solve,
        program,
        explain,
        "yes" if report.holds else "NO",
        found.mechanism.revenue - best.value,
    )


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    columns = (
        "model, histories, solver's states / payments, states, payments, memory, solve, by the program, explain, "
        "explain / program, verified, revenue - optimum"
    )
    head = "| " + " | ".join(columns.split(", ")) + " |"
    lines = [head, "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        beside = row.program if row.program == row.program else row.solve
        program = "" if row.program != row.program else f"{row.program:.4f}"
        lines.append(
            f"| {row.name} | {row.histories} | {row.vertex} | {row.states} | {row.payments} | {row.memory} "
            f"| {row.solve:.4f} | {program} | {row.explain:.4f} | {row.explain / beside:.1f} | {row.verified} "
            f"| {row.lost:+.0e} |"
        )
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Measure, and write or print."""
    quick = "quick" in arguments
    rows = [measured(name) for name in MODELS if not quick or name in QUICK]
    text = (
        "# Explaining, beside solving\n\n"
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}. "
        "Seconds of processor time, one thread, medians of three. *Solve* is `mo.optimum`, *by the program* the same\n"
        'with `method="program"`; *explain* is `optimum.explain()`: ladder of memory, allocation, payments, states,\n'
        "verification, words and what lotteries are worth.\n\n" + table(rows) + "\n"
    )
    if quick:
        print(text)
    else:
        RESULTS.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
