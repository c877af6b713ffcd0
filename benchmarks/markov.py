"""Measure efficient policies and Gittins indices against peers: ``python -m benchmarks.markov [--quick]``.

Every measurement is made by `benchmarks.markov_worker` in a fresh process; see README.md for what is compared.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.run import ROOT, SINGLE_THREAD, machine, markdown_table

Run = dict[str, Any]

JOINT = ("dense-10", "dense-14", "dense-18", "dense-22", "dense-30", "local-10", "local-20", "local-30")
INDICES = ("beta-30", "beta-60")
QUICK = ("dense-10", "local-10", "beta-30")
METHODS = {"policy": "policy iteration", "modified": "modified policy iteration"}
AGENTS, ACTIONS = 3, 4
COPIES = 1.7
"""Peak memory of the peer over that of its dense kernel, as measured at 18 types."""
SHARE = 0.6
"""Of the available memory that a peer may take."""
TOLERANCE = 1e-6
SPEED_UP, MEMORY = 10.0, 10.0
TARGET, INDEX_TARGET = "dense-22", "beta-60"
PACKAGES = ("mechopt", "quantecon", "markovianbandit-pkg", "numba", "numpy", "scipy")


def measure(contender: str, name: str, limit: float | None) -> Run | None:
    """Run one measurement in its own process; None if it took more than `limit` seconds of real time."""
    command = [sys.executable, "-m", "benchmarks.markov_worker", contender, name]
    environment = os.environ | SINGLE_THREAD
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        print(f"{contender} {name}: stopped", file=sys.stderr)
        return None
    if done.returncode:
        raise SystemExit(f"{contender} failed on {name}:\n{done.stdout}{done.stderr}")
    run: Run = json.loads(done.stdout.splitlines()[-1])
    print(f"{contender} {name}: {run['total']:.3g} s, {run['megabytes']:.0f} MB", file=sys.stderr)
    return run


def medians(contender: str, name: str, repeat: int, limit: float | None) -> Run | None:
    """The medians of some measurements; None if one was stopped."""
    runs = []
    for _ in range(repeat):
        run = measure(contender, name, limit)
        if run is None:
            return None
        runs.append(run)
    return runs[0] | {key: median(run[key] for run in runs) for key in ("build", "solve", "total", "megabytes")}


def kernel_bytes(name: str) -> int:
    """Bytes of the peer's dense joint kernel; 0 where it is sparse."""
    kind, types = name.split("-")
    return 8 * ACTIONS * int(types) ** (2 * AGENTS) if kind == "dense" else 0


def available() -> float:
    """Bytes of memory that can be had, by /proc/meminfo; infinite where there is none."""
    try:
        rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    except FileNotFoundError:
        return float("inf")
    return 1024.0 * int(rows["MemAvailable"].split()[0])


def agree(name: str, runs: dict[str, Run | None]) -> None:
    """End the program if the values differ."""
    values = [run["values"] for run in runs.values() if run]
    for other in values[1:]:
        if any(abs(a - b) > TOLERANCE * max(1.0, abs(a)) for a, b in zip(values[0], other, strict=True)):
            raise SystemExit(f"DISAGREEMENT on {name}: {values}")


def figures(run: Run) -> list[str]:
    """Cells of one measurement."""
    return [*(f"{run[key]:.3g}" for key in ("build", "solve", "total")), f"{run['megabytes']:.0f}"]


def verdict(text: str, figure: float, least: float) -> str:
    """PASS or FAIL line of one target."""
    return f"- {'PASS' if figure >= least else 'FAIL'}: {text} at least {least:g} ({figure:.3g})"


def joint(names: tuple[str, ...], repeat: int, limit: float) -> tuple[list[str], list[str]]:
    """W and all W_{-i} against DiscreteDP on the joint chain: a table and the targets."""
    rows, targets = [], []
    for name in names:
        needed, room = COPIES * kernel_bytes(name), SHARE * available()
        runs: dict[str, Run | None] = {"mechopt": medians("mechopt", name, repeat, None)}
        if needed <= room:
            runs |= {method: medians(method, name, 1 if needed > 1e9 else repeat, limit) for method in METHODS}
        agree(name, runs)
        ours, peers = runs["mechopt"], {method: run for method, run in runs.items() if method in METHODS and run}
        assert ours is not None
        rows.append([name, "mechopt", *figures(ours), "", ""])
        if not peers:
            why = f"does not fit: {kernel_bytes(name) / 1e9:.3g} GB of kernel" if needed > room else "stopped"
            rows.append([name, f"DiscreteDP, {why}", "-", "-", "-", "-", "-", "-"])
        for method, run in peers.items():
            ratios = run["total"] / ours["total"], run["megabytes"] / ours["megabytes"]
            rows.append([name, f"DiscreteDP, {METHODS[method]}", *figures(run), *(f"{ratio:.3g}" for ratio in ratios)])
        if name == TARGET and peers:
            best, least = (min(run[key] for run in peers.values()) for key in ("total", "megabytes"))
            targets.append(verdict(f"{name}: times faster than DiscreteDP", best / ours["total"], SPEED_UP))
            targets.append(verdict(f"{name}: times less memory", least / ours["megabytes"], MEMORY))
    header = ["instance", "contender", "build s", "solve s", "total s", "peak MB", "total / ours", "MB / ours"]
    return markdown_table(header, rows), targets


def indices(names: tuple[str, ...], repeat: int, limit: float) -> tuple[list[str], list[str]]:
    """Gittins indices against markovianbandit-pkg: a table and the targets."""
    rows, targets = [], []
    for name in names:
        runs = {"mechopt": medians("mechopt", name, repeat, None)}
        runs["markovianbandit"] = medians("markovianbandit", name, repeat, limit)
        agree(name, runs)
        ours, peer = runs["mechopt"], runs["markovianbandit"]
        assert ours is not None
        last = int(name.split("-")[1])
        states = f"{(last + 1) * (last + 2) // 2:,}"
        rows.append([name, states, "mechopt", *figures(ours), "", ""])
        if peer:
            ratios = peer["total"] / ours["total"], peer["megabytes"] / ours["megabytes"]
            rows.append([name, states, "markovianbandit-pkg", *figures(peer), *(f"{ratio:.3g}" for ratio in ratios)])
            if name == INDEX_TARGET:
                targets.append(verdict(f"{states} states: times faster than markovianbandit-pkg", ratios[0], 1.0))
    header = [
        "instance",
        "states",
        "contender",
        "build s",
        "solve s",
        "total s",
        "peak MB",
        "total / ours",
        "MB / ours",
    ]
    return markdown_table(header, rows), targets


def main() -> None:
    """Read the command line, measure, check the values and write the report."""
    parser = argparse.ArgumentParser(description="Benchmark of mechopt's efficient policies and Gittins indices.")
    parser.add_argument("--quick", action="store_true", help="small instances only: " + " ".join(QUICK))
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the median is reported (default 3)")
    parser.add_argument(
        "--peer-limit", type=float, default=300.0, help="real seconds for a peer's process (default 300)"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "RESULTS-markov.md")
    options = parser.parse_args()
    kept = [tuple(n for n in names if not options.quick or n in QUICK) for names in (JOINT, INDICES)]
    parts = (
        joint(kept[0], options.repeat, options.peer_limit),
        indices(kept[1], options.repeat, options.peer_limit),
    )
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)
    titles = "W and all W_{-i}, three agents, infinite horizon", "Gittins indices of a Beta-Bernoulli project"
    what = "Processor seconds of one thread (which other work on the machine hardly moves)"
    lines = [
        "# Efficient policies and Gittins indices",
        "",
        f"{what}; medians of {options.repeat}, or one run where a kernel takes over 1 GB. See README.md.",
        "",
    ]
    lines += [*machine()[:3], f"- Python {platform.python_version()}, {versions}", ""]
    for title, (table, _) in zip(titles, parts, strict=True):
        lines += [f"## {title}", "", *table]
    lines += ["## Targets", "", *(target for _, targets in parts for target in targets), ""]
    text = "\n".join(lines)
    print(text)
    options.output.write_text(text)


if __name__ == "__main__":
    main()
