"""Measure mechopt and its peers on the same instances: ``python -m benchmarks.run [--quick]``.

Every measurement is made by `benchmarks.worker` in a fresh process. This process imports nothing heavy, as
Linux counts the memory of a parent at the fork in the peak memory of its child.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.instances import FULL, INSTANCES, QUICK

ROOT = Path(__file__).resolve().parents[1]
OURS, PEERS = "mechopt", ("cvxpy", "linopy", "pyoptinterface")
ALGORITHMS = ("simplex", "ipx")
PACKAGES = (OURS, *PEERS, "highspy", "highsbox", "ortools", "clarabel", "numpy", "scipy", "pandas", "xarray")
SOLVER = {"pyoptinterface": "highsbox"}  # the wheel of the HiGHS that a contender calls, where it is not highspy
SINGLE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "POLARS", "NUMEXPR")}
HOPELESS = 2.0  # an algorithm this many times slower than the other one in the first round is not repeated
TOLERANCE = 1e-6
TOTAL_TARGETS = {"K3T9": 4.0, "K20T3": 8.0, "K50T2": 25.0}
BUILD_TARGET, BUILD_SHARE_TARGET, BUILD_SHARE_INSTANCES = 3.0, 0.05, ("K3T8", "K3T9")

Run = dict[str, Any]


def measure(contender: str, name: str, algorithm: str, limit: float | None) -> Run | None:
    """Run one measurement in its own process; None if it took more than `limit` seconds."""
    command = [sys.executable, "-m", "benchmarks.worker", contender, name, algorithm]
    environment = os.environ | SINGLE_THREAD
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise SystemExit(f"{contender} failed on {name} by {algorithm}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def measure_all(contenders: list[str], name: str, repeat: int, limit: float) -> dict[str, dict[str, Run | None]]:
    """Measure all contenders on one instance, in rounds, so that a drift of the machine meets all alike.

    Parameters
    ----------
    contenders : list of str
        The libraries.
    name : str
        The instance.
    repeat : int
        Number of rounds.
    limit : float
        Seconds after which a peer's process is stopped.

    Returns
    -------
    dict
        For each contender and algorithm the medians of its runs, or None if it was stopped.
    """
    runs: dict[tuple[str, str], list[Run] | None] = {(who, how): [] for who in contenders for how in ALGORITHMS}
    for turn in range(repeat):
        for (who, how), done in runs.items():
            other = runs[who, ALGORITHMS[how == ALGORITHMS[0]]]
            hopeless = done and other and done[0]["total"] > HOPELESS * other[0]["total"]
            if done is None or (turn and hopeless):
                continue
            run = measure(who, name, how, None if who == OURS else limit)
            print(f"{name} {turn + 1}/{repeat} {who} {how}: {run['total'] if run else 'stopped'}", file=sys.stderr)
            if run:
                done.append(run)
            else:
                runs[who, how] = None
    result: dict[str, dict[str, Run | None]] = {who: {} for who in contenders}
    for (who, how), done in runs.items():
        timings = ("build", "solve", "total", "megabytes")
        result[who][how] = {**done[0], **{key: median(run[key] for run in done) for key in timings}} if done else None
    return result


def best(runs: dict[str, Run | None]) -> tuple[str, Run] | None:
    """Return the algorithm with the least end-to-end time and its medians; None if all were stopped."""
    return min(((how, run) for how, run in runs.items() if run), key=lambda pair: pair[1]["total"], default=None)


def check_agreement(name: str, results: dict[str, dict[str, Run | None]]) -> float:
    """Return the common optimal value; end the program if the values, or the sizes of the peers' programs, differ."""
    values = {(who, how): run["value"] for who, runs in results.items() for how, run in runs.items() if run}
    if not values:
        return float("nan")
    shapes = {tuple(run["size"][:2]) for who, runs in results.items() if who != OURS for run in runs.values() if run}
    if len(shapes) > 1:
        raise SystemExit(f"The peers' programs differ in size on {name}: {shapes}")
    low, high = min(values.values()), max(values.values())
    if not high - low <= TOLERANCE * max(abs(low), abs(high)):
        raise SystemExit(f"DISAGREEMENT on {name}: {values}")
    return high


def ratios(results: dict[str, dict[str, Run | None]], limit: float) -> dict[str, tuple[str, float]]:
    """Compare ours with the best peer on one instance.

    Parameters
    ----------
    results : dict
        What `measure_all` returned.
    limit : float
        The peers' limit in seconds, their time at least where all of them were stopped.

    Returns
    -------
    dict
        ``build`` (fastest peer's build over ours), ``total`` (best peer's end-to-end time over ours) and ``share``
        (our build over our solve), each with its prefix (a lower bound has one); empty without ours or peers.
    """
    ours = best(results.get(OURS, {}))
    peers = [runs for who, runs in results.items() if who != OURS]
    if not ours or not peers:
        return {}
    builds = [run["build"] for runs in peers for run in runs.values() if run]
    totals = [found[1]["total"] for runs in peers if (found := best(runs))]
    ratio = {"share": ("", ours[1]["build"] / ours[1]["solve"])}
    ratio["total"] = ("" if totals else "> ", min(totals, default=limit) / ours[1]["total"])
    if builds:
        ratio["build"] = ("", min(builds) / ours[1]["build"])
    return ratio


def markdown_table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a Markdown table (`rows` are lists as long as `header`)."""
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def size_text(size: list[int] | None) -> str:
    """Return rows x columns and nonzeros as text."""
    return f"{size[0]:,} x {size[1]:,}, {size[2]:,}" if size else "-"


def targets(compared: dict[str, dict[str, tuple[str, float]]]) -> list[str]:
    """Return the PASS or FAIL lines (`compared`: the ratios of each instance)."""

    def line(text: str, found: list[tuple[str, float]], passed: bool) -> str:
        figures = ", ".join(f"{name}: {value:.3g}" for name, value in found) or "not measured"
        return f"- {('PASS' if passed else 'FAIL') if found else 'n/a'}: {text} ({figures})"

    builds = [(name, ratio["build"][1]) for name, ratio in compared.items() if "build" in ratio]
    worst = [min(builds, key=lambda pair: pair[1])] if builds else []
    shares = [(name, compared[name]["share"][1]) for name in BUILD_SHARE_INSTANCES if compared.get(name)]
    lines = [
        line(
            f"build at least {BUILD_TARGET:g} times as fast as the fastest peer's on every instance, the worst being",
            worst,
            all(value >= BUILD_TARGET for _, value in worst),
        ),
        line(
            f"our build at most {BUILD_SHARE_TARGET:.0%} of our solve from K=3, T=8 on",
            shares,
            all(value <= BUILD_SHARE_TARGET for _, value in shares),
        ),
    ]
    for name, target in TOTAL_TARGETS.items():
        found = [(name, compared[name]["total"][1])] if compared.get(name) else []
        passed = all(value >= target for _, value in found)
        lines.append(line(f"end to end at least {target:g} times as fast as the best peer on {name}", found, passed))
    return lines


def solvers() -> str:
    """Say which HiGHS each contender calls; whether that is the same one."""
    called = {name: SOLVER.get(name, "highspy") for name in (OURS, *PEERS)}
    found = {}
    for package in sorted(set(called.values())):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    each = ", ".join(f"{name} {found[package]} ({package})" for name, package in called.items())
    same = len(set(found.values())) == 1
    return f"HiGHS: {each}; {'the same for all' if same else 'NOT the same for all: solve times are not comparable'}"


def machine() -> list[str]:
    """Return Markdown lines on the date, the machine and the versions."""
    cpu_info = Path("/proc/cpuinfo")
    rows = cpu_info.read_text().splitlines() if cpu_info.exists() else []
    models = (row.partition(":")[2].strip() for row in rows if row.startswith("model name"))
    model = next(models, platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return [
        f"- Date: {datetime.date.today().isoformat()}",
        f"- Machine: {model}, {os.cpu_count()} cores, {memory:.0f} GiB of memory",
        f"- OS: {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}, {', '.join(versions)}",
        f"- {solvers()}",
        "",
    ]


def report(results: dict[str, dict[str, dict[str, Run | None]]], options: argparse.Namespace) -> str:
    """Write the Markdown report.

    Parameters
    ----------
    results : dict
        What `measure_all` returned for each instance.
    options : argparse.Namespace
        The options of the command line.

    Returns
    -------
    str
        The report.
    """
    compared = {name: ratios(result, options.peer_limit) for name, result in results.items()}
    sizes, times, versus = [], [], []
    for name, result in results.items():
        by_size = {who: next((run["size"] for run in runs.values() if run), None) for who, runs in result.items()}
        raw = next((size for who, size in by_size.items() if who != OURS and size and size[2]), None)
        value = f"{check_agreement(name, result):.9g}"
        sizes.append([name, value, size_text(by_size.get(OURS)), size_text(raw)])
        for who, runs in result.items():
            found = best(runs)
            stopped = f"stopped after {options.peer_limit:g} s"
            notes = [
                f"{how}: {run['total']:.3g} s" if run else f"{how}: {stopped}"
                for how, run in runs.items()
                if not found or how != found[0]
            ]
            figures = [f"{found[1][key]:.3g}" for key in ("build", "solve", "total")] if found else ["-"] * 3
            memory = f"{found[1]['megabytes']:.0f}" if found else "-"
            times.append([name, who, found[0] if found else "-", *figures, memory, ", ".join(notes)])
        columns = [compared[name].get(key) for key in ("build", "total", "share")]
        versus.append([name, *(f"{pair[0]}{pair[1]:.3g}" if pair else "-" for pair in columns)])
    raw_sizes = "raw form (peers): rows x columns, nonzeros"
    lines = [
        "# Benchmark results",
        "",
        f"Medians of {options.repeat} (an algorithm over {HOPELESS:g} times slower than the other one is run once). "
        "See README.md for what is compared.",
        "",
        *machine(),
        *markdown_table(["instance", "value", "mechopt: rows x columns, nonzeros", raw_sizes], sizes),
        *markdown_table(
            ["instance", "contender", "algorithm", "build s", "solve s", "total s", "peak MB", "other algorithm"], times
        ),
        *markdown_table(
            ["instance", "fastest peer build / ours", "best peer total / ours", "our build / solve"], versus
        ),
        "## Targets",
        "",
        *targets(compared),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Read the command line, measure, check the values and write the report."""
    parser = argparse.ArgumentParser(description="Benchmark of mechopt against peer modelling libraries.")
    parser.add_argument("--contenders", nargs="+", choices=(OURS, *PEERS), default=[OURS, *PEERS])
    parser.add_argument("--instances", nargs="+", choices=INSTANCES, help="default: " + " ".join(FULL))
    parser.add_argument("--quick", action="store_true", help="small instances only: " + " ".join(QUICK))
    parser.add_argument("--repeat", type=int, default=3, help="rounds of which the median is reported (default 3)")
    parser.add_argument("--peer-limit", type=float, default=120.0, help="seconds for a peer's process (default 120)")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "RESULTS.md", help="the Markdown file")
    options = parser.parse_args()
    results = {}
    for name in options.instances or (QUICK if options.quick else FULL):
        results[name] = measure_all(options.contenders, name, options.repeat, options.peer_limit)
        check_agreement(name, results[name])
    text = report(results, options)
    print(text)
    options.output.write_text(text)


if __name__ == "__main__":
    main()
