"""Throughput of sweeps: points a second on one and on two local processes.

    python -m benchmarks.sweep               # 3 rounds of 600 points, then a million kept rows; writes RESULTS-sweep.md

Each measurement has a process of its own, with one thread for linear algebra; HiGHS always has one. Rounds alternate,
so that other work on the machine meets both; medians are reported, the best of each, and the processor time of a
point, which other work changes least: what two processes spend beyond one is the overhead of having two.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

STUDY = """
title = "Throughput"
mechanisms = ["repeated-myerson", "non-clairvoyant-balance"]
seed = 1
[family]
count = {points}
buyers = [1, 2]
horizon = [2, 3]
types = [2, 3]
values = {{ law = "steps", deviation = 2 }}
probabilities = {{ law = "logits", deviation = 2 }}
"""
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
WARM_UP = 0.1
"""Share of the points until all processes have imported what they need; the steady rate is that of the others."""
RESULTS = Path(__file__).parent / "RESULTS-sweep.md"


def measure(points: int, workers: int) -> dict[str, float]:
    """Rate of one sweep, steady rate and processor time a point, in this process."""
    import tempfile

    import psutil

    from mechopt.study.sweep.sweep import sweep

    first, marks = round(WARM_UP * points), dict[int, tuple[float, float]]()

    def mark(done: int, total: int, seconds: float) -> None:
        if done in (first, points):
            own = psutil.Process()
            used = [process.cpu_times() for process in (own, *own.children(recursive=True))]
            marks[done] = seconds, sum(times.user + times.system for times in used)

    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.toml"
        study.write_text(STUDY.format(points=points))
        found = sweep(study, Path(folder) / "out", workers, progress=mark)
    assert found.statuses == {"done": points}, found
    seconds, used = (after - before for before, after in zip(marks[first], marks[points], strict=True))
    steady = points - first
    return {"rate": points / found.seconds, "steady": steady / seconds, "processor": 1000 * used / steady}


def measured(points: int, workers: int) -> dict[str, float]:
    """The same in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.sweep", "--points", str(points), "--only", str(workers)]
    result: dict[str, float] = json.loads(_ran(command))
    return result


def _ran(command: list[str]) -> str:
    return subprocess.run(command, env=os.environ | THREADS, capture_output=True, text=True, check=True).stdout


MANY = """
record = ["value", "bound"]
mechanisms = ["repeated-myerson"]
seed = 1
[family]
count = {points}
types = 2
"""
"""The smallest family: one buyer, two periods, two types."""


def filled(points: int, folder: Path) -> None:
    """Keep rows of so many points as a sweep would: the first thousand are computed, the others have their numbers."""
    from mechopt.study.sweep.point import record_point
    from mechopt.study.sweep.store import Store
    from mechopt.study.sweep.study_file import read_study

    study = read_study(folder / "study.toml")
    store = Store(folder / "out")
    rows = [record_point(study.point(number).text, study.recording) for number in range(min(points, 1000))]
    for begin in range(0, points, 500):
        numbers = range(begin, min(begin + 500, points))
        store.write({study.point(k).text: rows[k % len(rows)] for k in numbers}, study.recording)
    store.close()


def kept(folder: Path) -> dict[str, float]:
    """Seconds, and the most memory of this process, to find all rows of a folder and write their table."""
    import resource
    import time

    from mechopt.study.sweep.sweep import sweep

    begun = time.perf_counter()
    found = sweep(folder / "study.toml", folder / "out")
    assert found.fresh == 0, found
    read, worst = time.perf_counter() - begun, found.worst("repeated-myerson")
    assert worst is not None
    found.to_csv(folder / "table.csv")
    size = sum(path.stat().st_size for path in (folder / "out" / "points").iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rows": len(found.rows),
        "read": read,
        "all": time.perf_counter() - begun,
        "peak": peak,
        "file": size / 2**20,
    }


def computed(points: int, folder: Path) -> dict[str, float]:
    """Points a second on two processes, and the most memory that all of them had together."""
    import psutil

    from mechopt.study.sweep.sweep import sweep

    own, most = psutil.Process(), [0]

    def look(done: int, total: int, seconds: float) -> None:
        if done % 500 == 0:
            most.append(sum(part.memory_info().rss for part in (own, *own.children(recursive=True))))

    (folder / "study.toml").write_text(MANY.format(points=points))
    found = sweep(folder / "study.toml", folder / "out", workers=2, progress=look)
    assert found.statuses == {"done": points}, found
    return {"rate": points / found.seconds, "peak": max(most) / 2**20}


def million(points: int, some: int) -> list[str]:
    """What a study of so many points takes, by parts; lines of the result."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        base = [sys.executable, "-m", "benchmarks.sweep", "--points", str(points), "--folder", folder, "--part"]

        def part(name: str, *options: str) -> Any:
            done = subprocess.run(
                [*base, name, *options], env=os.environ | THREADS, capture_output=True, text=True, check=True
            )
            return json.loads(done.stdout or "null")

        live = part("computed", "--points", str(some))
        for path in (Path(folder) / "out" / "points").iterdir():
            path.unlink()
        (Path(folder) / "study.toml").write_text(MANY.format(points=points))
        part("filled")
        read = part("kept")
    return [
        f"## {points:,} points of the smallest family",
        "",
        "One buyer, two periods, two types; value, bracket and repeated Myerson.",
        "",
        "| what | measured |",
        "|---|---|",
        f"| computing {some:,} of them on two processes | {live['rate']:.0f} points a second |",
        f"| memory of the three processes together meanwhile | {live['peak']:.0f} MiB |",
        f"| all of them at this rate | {points / live['rate'] / 3600:.2f} hours |",
        f"| file of {points:,} rows | {read['file']:.0f} MiB |",
        f"| finding {read['rows']:,} rows there | {read['read']:.0f} s |",
        f"| that, the worst point and the table as CSV | {read['all']:.0f} s |",
        f"| most memory of the process | {read['peak']:.0f} MiB |",
    ]


def table(rounds: list[dict[int, dict[str, float]]]) -> str:
    """Rows of the result."""
    lines = [
        "| processes | points/s (median) | steady (median) | steady (best) | processor ms a point (median) |",
        "|---|---|---|---|---|",
    ]
    for workers in (1, 2):
        of: dict[str, list[float]] = {key: [r[workers][key] for r in rounds] for key in rounds[0][workers]}
        cells = [statistics.median(of["rate"]), statistics.median(of["steady"]), max(of["steady"])]
        numbers = [f"{number:.1f}" for number in (*cells, statistics.median(of["processor"]))]
        lines.append(f"| {workers} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def ratios(rounds: list[dict[int, dict[str, float]]]) -> dict[str, float]:
    """Two processes over one."""

    def over(choose: Any, key: str) -> float:
        return float(choose([r[2][key] for r in rounds]) / choose([r[1][key] for r in rounds]))

    return {
        "start included (median)": over(statistics.median, "rate"),
        "steady (median)": over(statistics.median, "steady"),
        "steady (best)": over(max, "steady"),
        "by processor time, on two free cores": 2 / over(statistics.median, "processor"),
    }


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--note", default="", help="a line about the machine's other work")
    parser.add_argument("--many", type=int, default=1_000_000, help="points of the large study")
    parser.add_argument("--some", type=int, default=10_000, help="how many of them are computed")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--part", choices=["filled", "kept", "computed"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "filled":
        filled(options.points, options.folder)
        return
    if options.part is not None:
        part = kept(options.folder) if options.part == "kept" else computed(options.points, options.folder)
        sys.stdout.write(json.dumps(part))
        return
    if options.only is not None:
        sys.stdout.write(json.dumps(measure(options.points, options.only)))
        return
    rounds, loads = [], []
    for number in range(options.rounds):
        loads.append(os.getloadavg()[0])
        order = (1, 2) if number % 2 == 0 else (2, 1)
        rounds.append({workers: measured(options.points, workers) for workers in order})
        sys.stderr.write(f"round {number + 1}: {ratios(rounds[-1:])}\n")
    from mechopt import __version__

    where = f"mechopt {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores"
    what = f"{options.points} points of one or two buyers, two or three periods, two or three types"
    load = f"{options.rounds} rounds, load before each {', '.join(f'{load:.1f}' for load in loads)}"
    lines = [
        "# Throughput of sweeps",
        "",
        f"{where}; {what}; {load}. {options.note}".strip(),
        "",
        table(rounds),
        "",
        "Two processes over one:",
        "",
        *(f"- {name}: {ratio:.2f}" for name, ratio in ratios(rounds).items()),
        "",
        *million(options.many, options.some),
    ]
    RESULTS.write_text("\n".join(lines) + "\n")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
