"""Optima as functions of a parameter: seconds, pieces and degrees by horizon.

``python -m benchmarks.formula`` writes RESULTS-formula.md; ``python -m benchmarks.formula quick`` prints the short
cases only. One process, one thread; times are processor time, so that they depend little on what else the machine does.
"""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import mechopt as mo
from mechopt.mechanism.constraint_names import parse_constraints
from mechopt.mechanism.constraints import STANDARD
from mechopt.solve.parametric.program import parametric_program
from mechopt.solve.parametric.walk import find_pieces

RESULTS = Path(__file__).parent / "RESULTS-formula.md"


@dataclass(frozen=True)
class Case:
    """A model with what is asked, and the seconds that the walk may take (0: no target)."""

    name: str
    text: str
    ir: str = "file"
    target: float = 0.0
    prove: bool = True


def independent(periods: int, values: str, probabilities: str, name: str, interval: str, more: str = "") -> str:
    """One distribution of types in every period."""
    return f"""
kind = "independent"
horizon = {periods}
{'discount = "d"' if name == "d" else ""}
[parameters]
{name} = {interval}
[[buyers]]
values = {values}
probabilities = {probabilities}
{more}
"""


def in_p(periods: int, buyers: int = 1) -> str:
    """Values 1 and 2, probability p of the high one."""
    return independent(periods, "[1, 2]", '["1 - p", "p"]', "p", '["0", "1"]', f"count = {buyers}")


def battaglini(periods: int) -> str:
    """A buyer whose type stays with probability a."""
    return f"""
kind = "markov"
horizon = {periods}
actions = ["none", "sell"]
[parameters]
a = ["0", "1"]
[[agents]]
initial = ["2/5", "3/5"]
values = [[0, 0], [1, 2]]
kernel = [["a", "1 - a"], ["1 - a", "a"]]
"""


HALF = '["1/2", "1/2"]'
TARGETS = {5: 2.0, 7: 20.0}
CASES = [
    *(Case(f"{{1,2}} in p, T={t}", in_p(t), target=TARGETS.get(t, 0.0), prove=t < 8) for t in range(2, 9)),
    *(
        Case(f"{{1,2,4}} in q, T={t}", independent(t, "[1, 2, 4]", '["1 - q", "q/2", "q/2"]', "q", '["0", "1"]'),
             target=8.0 if t == 4 else 0.0)
        for t in range(2, 5)
    ),
    *(Case(f"[1,h] in h, T={t}", independent(t, '[1, "h"]', HALF, "h", '["1", "9"]')) for t in (3, 4, 5)),
    *(Case(f"{{1,2}} in the discount, T={t}", independent(t, "[1, 2]", HALF, "d", '["0", "1"]')) for t in (4, 6)),
    *(Case(f"{n} buyers {{1,2}} in p, T={t}", in_p(t, n)) for n, t in ((2, 2), (2, 3), (2, 4), (3, 2), (3, 3), (5, 2))),
    *(Case(f"Battaglini EPIR in a, T={t}", battaglini(t), "epir", 5.0 if t == 5 else 0.0) for t in range(2, 6)),
    *(Case(f"Battaglini interim in a, T={t}", battaglini(t), "interim") for t in range(3, 7)),
]  # fmt: skip
COLUMNS = (
    "model, rows, bases, pieces, program s, walk s, target s, checker s, value degree, end degree, entry degree, bits"
)
HEAD = "| " + " | ".join(COLUMNS.split(", ")) + " |"


def measured(case: Case) -> str:
    """One line of the table."""
    model = mo.formats.loads_parametric(case.text)
    ir = STANDARD if case.ir == "file" else parse_constraints(case.ir, "ir")
    clock = [time.process_time()]
    program = parametric_program(model, STANDARD, ir, mo.Revenue())
    clock.append(time.process_time())
    found = mo.results.Formula(model, program, find_pieces(program, model.start, model.stop, model.point))
    clock.append(time.process_time())
    if case.prove:
        mo.check_formula(model, found)
    clock.append(time.process_time())
    built, walked, proved = (after - before for before, after in pairwise(clock))
    checked = f"{proved:.2f}" if case.prove else "-"
    entries = {f for basis in found.walk.bases for f in (*basis.primal, *basis.dual.values())}
    degree = max(max(len(p.numerator), len(p.denominator)) for p in found.pieces) - 1
    end = max(len(p.stop.polynomial) for p in found.pieces) - 1
    entry = max(max(len(f.numerator), len(f.denominator)) for f in entries) - 1
    bits = max(abs(x).bit_length() for f in entries for x in (*f.numerator, *f.denominator))
    target = f"{case.target:g}" if case.target else ""
    return (
        f"| {case.name} | {found.program.rows} | {len(found.walk.bases)} | {len(found.pieces)} | {built:.2f} | "
        f"{walked:.2f} | {target} | {checked} | {degree} | {end} | {entry} | {bits} |"
    )


def main() -> None:
    """Measure all cases and write the table."""
    quick = sys.argv[1:] == ["quick"]
    mo.formula(in_p(1))  # what is loaded at first use
    lines = [HEAD, "|---|" + "---:|" * 11]
    for case in CASES:
        if quick and not case.name.endswith(("T=2", "T=3")):
            continue
        lines.append(measured(case))
        print(lines[-1], flush=True)
    if quick:
        return
    text = [
        "# Optima as functions of a parameter",
        "",
        "`python -m benchmarks.formula`: processor time of one thread. *walk*: all bases of the interval, each solved",
        "over the rational functions; *checker*: the stand-alone proof. Degrees are the largest of numerator and",
        "denominator; *bits* are those of the longest coefficient of an entry of primal or dual.",
        "",
        f"- Date: {datetime.now(UTC):%Y-%m-%d}",
        f"- Python {platform.python_version()}, {platform.machine()}",
        "",
        *lines,
    ]
    RESULTS.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
