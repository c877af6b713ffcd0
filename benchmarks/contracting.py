"""What misreports at contracting gain, of an infinite virtual pivot with many initial types and signals.

Run ``OPENBLAS_NUM_THREADS=1 python -m benchmarks.contracting``; results: ``benchmarks/RESULTS-contracting.md``. One
buyer, levels 1, 1.01, ..., types even, an item at cost 1 worth level times z/25 at signal z, kernels of random whole
numbers, discount 9/10. Timed are the pivot and its gains for all pairs of report and type, (16), in this process.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.run import machine, markdown_table
from mechopt.closedform.virtual.pivot import virtual_pivot
from mechopt.environment.separable import SeparableTypes

SIZES = ((20, 10), (50, 20), (100, 50), (200, 50))
REPEAT = 3
LIMIT = 10.0
"""Seconds that the gains of the largest may take."""


def environment(types: int, signals: int) -> SeparableTypes:
    """The environment of this size."""
    weights = np.random.default_rng(0).integers(1, 20, (signals, signals))
    kernel = [[f"{w}/{row.sum()}" for w in row] for row in weights]
    return SeparableTypes(
        [[f"{100 + k}/100" for k in range(types)]],
        [[f"1/{types}"] * types],
        [[[0] * signals, [f"{z + 1}/25" for z in range(signals)]]],
        [[f"1/{signals}"] * signals],
        [kernel],
        cost=[0, 1],
        discount="9/10",
    )


def measure(types: int, signals: int) -> tuple[float, float, float]:
    """Median seconds of the pivot and of its gains, and the largest gain."""
    env, times, gain = environment(types, signals), list[tuple[float, float]](), 0.0
    for _ in range(REPEAT):
        start = time.perf_counter()
        pivot = virtual_pivot(env)
        built = time.perf_counter()
        gain = pivot.contracting_gain
        times.append((built - start, time.perf_counter() - built))
    return median(first for first, _ in times), median(second for _, second in times), gain


def main() -> None:
    """Measure and write the table."""
    measure(3, 3)
    lines = list[list[str]]()
    for types, signals in SIZES:
        built, gains, largest = measure(types, signals)
        lines.append([str(types), str(signals), f"{built:.2f}", f"{gains:.2f}", f"{largest:.6g}"])
    met = "met" if gains <= LIMIT else "missed"
    target = f"Target: {SIZES[-1][0]} x {SIZES[-1][1]} within {LIMIT:g} s: {met}."
    head = [
        "# Gains at contracting",
        "",
        "Written by `python -m benchmarks.contracting`; what is measured stands there.",
        "",
    ]
    table = markdown_table(["types", "signals", "pivot, s", "gains, s", "largest gain"], lines)
    text = "\n".join([*head, *machine(), "", *table, target, ""])
    Path(__file__).with_name("RESULTS-contracting.md").write_text(text)


if __name__ == "__main__":
    main()
