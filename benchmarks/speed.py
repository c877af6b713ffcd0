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
from mechopt.solve.orbits.optimum import orbit_optimum

LAWS = {2: ([1, 3], ["6/10", "4/10"]), 3: ([1, 2, 4], ["3/10", "4/10", "3/10"])}


def iid(types: int, periods: int, buyers: int = 1) -> mo.IndependentTypes:
    """Two or three types as named; else 1, ..., K equally likely."""
    values, distribution = LAWS.get(types, (list(range(1, types + 1)), [Fraction(1, types)] * types))
    return mo.IndependentTypes.iid(values, distribution, periods, agents=buyers)


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


def table(title: str, head: str, rows: list[tuple[Any, ...]]) -> None:
    """A table in Markdown."""
    print(f"\n## {title}\n\n| {head} |\n|{' --- |' * len(head.split(' | '))}")
    for row in rows:
        print(f"| {' | '.join(map(written, row))} |")


def written(cell: Any) -> str:
    """A number with separators or three digits."""
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.3g}" if isinstance(cell, float) else str(cell)


def width(best: mo.results.Optimum) -> float:
    """Relative width of the bracket."""
    return (best.bound.upper - best.bound.lower) / best.bound.upper


def one_buyer(long: bool) -> None:
    """The default of one buyer against the program."""
    rows: list[tuple[Any, ...]] = []
    for types, periods in [(3, 3), (3, 6), (3, 9), (20, 3), (50, 2), (10, 5), (50, 3), *([(3, 11)] if long else [])]:
        env = iid(types, periods)
        now, best = timed(lambda env=env: mo.optimum(env))
        before, program = timed(lambda env=env: mo.optimum(env, method="simplex"))
        off = abs(best.value - program.value) / program.value
        rows.append((types, periods, before, now, before / now, width(best), off))
    table("One buyer: the default", "types | periods | program s | promises s | ratio | bracket | difference", rows)
    rows = []
    for periods in [100, 300, 1000, *([3000, 10_000] if long else [])]:
        now, best = timed(lambda periods=periods: mo.optimum(iid(3, periods)))
        rows.append((periods, now, f"{best.value:.9g}", width(best), best.status))
    table("One buyer, three types, long horizons", "periods | s | value | bracket | status", rows)


def exact(long: bool) -> None:
    """Exact optima by promises against the program's."""
    rows: list[tuple[Any, ...]] = []
    sizes = [(3, 4), (3, 6), (3, 8), (2, 10), (3, 12), (3, 14), (3, 16), (10, 4)]
    for types, periods in [*sizes, *([(3, 18), (3, 20)] if long else [])]:
        env = iid(types, periods)
        now, best = timed(lambda env=env: mo.optimum(env, exact=True))
        proof = best.certificate
        checked, _ = timed(lambda env=env, proof=proof: mo.formats.check_promised(env, proof))
        before: Any = "-"
        if mo.formats.plan(env).size.nonzeros < 60_000:
            before, known = timed(lambda env=env: mo.formats.certify(env, form="utility"))
            before = before if known.value == best.exact else "DIFFERENT"
        meets = "yes" if best.exact is not None else float(proof.upper - proof.lower)
        rows.append(
            (types, periods, before, now, checked, meets, sum(map(len, proof.points)), sum(map(len, proof.lines)))
        )
    head = "types | periods | program s | promises s | check s | ends meet | points | lines"
    table("Exact optima of one buyer", head, rows)


def orbits(long: bool) -> None:
    """Programs of identical buyers on orbits against those over all histories."""
    rows: list[tuple[Any, ...]] = []
    sizes = [(2, 3, 3), (2, 3, 4), (3, 2, 4), (3, 2, 5), (4, 2, 3), (4, 2, 4), (10, 2, 2), (10, 2, 3)]
    for buyers, types, periods in sizes:
        chosen = mo.formats.plan(iid(types, periods, buyers))
        now, best = timed(lambda chosen=chosen: on_orbits(chosen, False))
        proved, sure = timed(lambda chosen=chosen: on_orbits(chosen, True))
        before: Any = "-"
        ratio: Any = "-"
        off: Any = "-"
        if chosen.size.nonzeros < (1_000_000 if long else 100_000):
            before, program = timed(lambda chosen=chosen: mo.optimum(chosen.environment, method="simplex"))
            ratio, off = before / now, abs(best.value - program.value) / program.value
        nonzeros = f"{float(chosen.size.nonzeros):.3g}"
        exact_value = "yes" if sure.exact is not None else "no"
        rows.append(
            (buyers, types, periods, nonzeros, best.size.nonzeros, before, now, ratio, off, proved, exact_value)
        )
    head = "buyers | types | periods | non-zeros | on orbits | program s | orbits s | ratio | difference | exact s"
    table("Identical buyers", f"{head} | proved", rows)


def on_orbits(chosen: mo.formats.Plan, proved: bool) -> mo.results.Optimum:
    """The optimum by the program on orbits."""
    return orbit_optimum(chosen, "simplex", None, None, float("inf"), proved)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="add runs that take minutes")
    long = parser.parse_args().long
    print("# Benchmark results: quicker ways against slower ones\n\nSee `benchmarks/speed.py`.")
    mo.optimum(iid(3, 40))  # loads the compiled kernels
    exact(long)
    orbits(long)
    one_buyer(long)


if __name__ == "__main__":
    main()
