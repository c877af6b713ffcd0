"""Quicker ways against slower ones, in one run on one machine: promises, exact promises, orbits, values near d = 1.

Run ``python -m benchmarks.speed > benchmarks/RESULTS-speed.md``; processor time of one thread, medians of 3 where a run
takes under a second. ``--long`` adds the runs that take minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mechopt as mo
from mechopt.solve.orbits import orbit_optimum

LAWS = {2: ([1, 3], ["6/10", "4/10"]), 3: ([1, 2, 4], ["3/10", "4/10", "3/10"])}


def iid(types: int, periods: int, buyers: int = 1) -> mo.IndependentTypes:
    """Two or three types as named; else 1, ..., K equally likely."""
    values, law = LAWS.get(types, (list(range(1, types + 1)), [Fraction(1, types)] * types))
    return mo.IndependentTypes.iid(values, law, periods, buyers=buyers)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Median processor seconds of 3 runs, of 1 where it takes over a second; and what came out."""
    seconds, found = [], None
    for _ in range(3):
        begun = time.process_time()
        found = work()
        seconds.append(time.process_time() - begun)
        if seconds[0] > 1:
            break
    return statistics.median(seconds), found


def table(title: str, head: str, rows: list[list[str]]) -> None:
    """A table in Markdown."""
    print(f"\n## {title}\n\n| {head} |\n|{' --- |' * len(head.split(' | '))}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def one_buyer(long: bool) -> None:
    """The default of one buyer against the program."""
    rows = []
    for types, periods in [(3, 3), (3, 6), (3, 9), (20, 3), (50, 2), (10, 5), (50, 3), *([(3, 11)] if long else [])]:
        env = iid(types, periods)
        now, best = timed(lambda env=env: mo.optimum(env))
        before, program = timed(lambda env=env: mo.optimum(env, method="simplex"))
        width = (best.bound.upper - best.bound.lower) / best.bound.upper
        off = abs(best.value - program.value) / program.value
        rows.append(
            [
                f"{types}",
                f"{periods}",
                f"{before:.3g}",
                f"{now:.3g}",
                f"{before / now:.3g}",
                f"{width:.1g}",
                f"{off:.1g}",
            ]
        )
    table("One buyer: the default", "types | periods | program s | promises s | ratio | bracket | difference", rows)
    rows = []
    for periods in [100, 300, 1000, *([3000, 10_000] if long else [])]:
        now, best = timed(lambda periods=periods: mo.optimum(iid(3, periods)))
        width = (best.bound.upper - best.bound.lower) / best.bound.upper
        rows.append([f"{periods}", f"{now:.3g}", f"{best.value:.9g}", f"{width:.2g}", str(best.status)])
    table("One buyer, three types, long horizons", "periods | s | value | bracket | status", rows)


def exact(long: bool) -> None:
    """Exact optima by promises against the program's."""
    rows = []
    for types, periods in [
        (3, 4),
        (3, 6),
        (3, 8),
        (2, 10),
        (3, 12),
        (3, 14),
        (3, 16),
        (10, 4),
        *([(3, 18), (3, 20)] if long else []),
    ]:
        env = iid(types, periods)
        now, best = timed(lambda env=env: mo.optimum(env, exact=True))
        proof = best.certificate
        checked, _ = timed(lambda env=env, proof=proof: mo.check_promised(env, proof))
        before = "-"
        if mo.plan(env).size.nonzeros < 60_000:
            seconds, known = timed(lambda env=env: mo.certify(env, form="utility"))
            before = f"{seconds:.3g}" if known.value == best.exact else "DIFFERENT"
        meets = "yes" if best.exact is not None else f"{float(proof.upper - proof.lower):.1g}"
        points, lines = sum(map(len, proof.points)), sum(map(len, proof.lines))
        rows.append(
            [f"{types}", f"{periods}", before, f"{now:.3g}", f"{checked:.3g}", meets, f"{points:,}", f"{lines:,}"]
        )
    table(
        "Exact optima of one buyer",
        "types | periods | program s | promises s | check s | ends meet | points | lines",
        rows,
    )


def orbits(long: bool) -> None:
    """Programs of identical buyers on orbits against those over all histories."""
    rows = []
    for buyers, types, periods in [
        (2, 3, 3),
        (2, 3, 4),
        (3, 2, 4),
        (3, 2, 5),
        (4, 2, 3),
        (4, 2, 4),
        (10, 2, 2),
        (10, 2, 3),
    ]:
        env = iid(types, periods, buyers)
        chosen = mo.plan(env)
        now, best = timed(lambda chosen=chosen: orbit_optimum(chosen, "simplex", None, None, float("inf")))
        proved, sure = timed(
            lambda chosen=chosen: orbit_optimum(chosen, "simplex", None, None, float("inf"), exact=True)
        )
        before, ratio, off = "-", "-", "-"
        if chosen.size.nonzeros < (1_000_000 if long else 100_000):
            seconds, program = timed(lambda env=env: mo.optimum(env, method="simplex"))
            before, ratio = f"{seconds:.3g}", f"{seconds / now:.3g}"
            off = f"{abs(best.value - program.value) / program.value:.1g}"
        rows.append(
            [f"{buyers}", f"{types}", f"{periods}", f"{chosen.size.nonzeros:,}", f"{best.size.nonzeros:,}"]
            + [before, f"{now:.3g}", ratio, off, f"{proved:.3g}", str(sure.exact is not None)]
        )
    head = "buyers | types | periods | non-zeros | on orbits | program s | orbits s | ratio | difference | exact s | proved"
    table("Identical buyers", head, rows)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="add runs that take minutes")
    long = parser.parse_args().long
    print("# Benchmark results: quicker ways against slower ones\n\nSee `benchmarks/speed.py`.")
    mo.optimum(iid(3, 40))  # loads the compiled kernels
    one_buyer(long)
    exact(long)
    orbits(long)


if __name__ == "__main__":
    main()
