"""Measure the promised-utility dynamic program and exact certificates: ``python -m benchmarks.dynamic [--quick]``.

Every measurement is made by `benchmarks.dynamic_worker` in a fresh process; see README.md for what is compared.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.run import ROOT, SINGLE_THREAD, machine, markdown_table

Run = dict[str, Any]

KERNELS = {"numba": "1", "numpy": "0"}
CROSSING = tuple(f"three-{periods}" for periods in range(4, 10))
HORIZONS = {10: "1e-6", 30: "1e-6", 100: "1e-6", 300: "1e-5", 1000: "1e-5"}
ALONE = {
    f"{distribution}-{periods}": goal for distribution in ("two", "three", "five") for periods, goal in HORIZONS.items()
}
ALONE |= {"irregular-100": "1e-6"}
CERTIFICATES = ("three-4", "three-5", "three-6", "three-7", "three-8", "generic-4", "generic-5", "generic-6")
DENSE_LIMIT = 2000
"""Rows of the largest program for the dense solver."""
TOO_LONG = {("numpy", "two-1000"), ("numpy", "five-1000")}
"""About a minute each; one of its kind, ``three-1000``, is enough."""
SECONDS = {
    ("numba", "three-100"): 1.5,
    ("numba", "irregular-100"): 2.0,
    ("numba", "five-300"): 3.0,
    ("numba", "two-1000"): 20.0,
    ("numba", "three-1000"): 20.0,
    ("numba", "five-1000"): 20.0,
    ("numpy", "three-100"): 12.0,
    ("numpy", "irregular-100"): 12.0,
    ("numpy", "five-300"): 20.0,
}
MEGABYTES, SPEED_UP, EXACT_SHARE = 700.0, 100.0, 0.5


def measure(kind: str, name: str, goal: str = "1e-6", kernel: str = "numba", cache: str = "") -> Run:
    """Run one measurement in its own process."""
    environment = os.environ | SINGLE_THREAD | {"MECHOPT_NUMBA": KERNELS[kernel]}
    if cache:
        environment["NUMBA_CACHE_DIR"] = cache
    command = [sys.executable, "-m", "benchmarks.dynamic_worker", kind, name, goal]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{kind} failed on {name}:\n{done.stdout}{done.stderr}")
    run: Run = json.loads(done.stdout.splitlines()[-1])
    print(f"{kind} {name} {kernel}: {run['seconds']:.3g} s", file=sys.stderr)
    return run


def medians(repeat: int, *arguments: str) -> Run:
    """The medians of some measurements."""
    runs = [measure(*arguments) for _ in range(repeat)]
    numbers = {key for key, entry in runs[0].items() if isinstance(entry, float)}
    return runs[0] | {key: median(run[key] for run in runs) for key in numbers}


def verdict(text: str, figure: float, limit: float, most: bool = True) -> str:
    """PASS or FAIL line of one target."""
    passed = figure <= limit if most else figure >= limit
    return f"- {'PASS' if passed else 'FAIL'}: {text} {'at most' if most else 'at least'} {limit:g} ({figure:.3g})"


def crossing(names: tuple[str, ...], repeat: int) -> tuple[list[str], list[str]]:
    """The dynamic program against the program over histories: a table and the targets."""
    rows, targets = [], []
    for name in names:
        program = medians(repeat, "program", name)
        found = {kernel: medians(repeat, "promised", name, "1e-6", kernel) for kernel in KERNELS}
        for run in found.values():
            if not run["lower"] <= program["upper"] + 1e-8 or not run["upper"] >= program["lower"] - 1e-8:
                raise SystemExit(f"DISAGREEMENT on {name}: {program} {run}")
        times = [program["seconds"], *(found[kernel]["seconds"] for kernel in KERNELS)]
        ratios = [times[0] / seconds for seconds in times[1:]]
        width = (found["numba"]["upper"] - found["numba"]["lower"]) / found["numba"]["upper"]
        value = f"{program['upper']:.9g}"
        rows.append([name, value, f"{program['size']:,}", *(f"{x:.3g}" for x in (*times, *ratios)), f"{width:.1e}"])
        if name == "three-9":
            targets.append(verdict("K=3, T=9: times faster than the program", ratios[0], SPEED_UP, most=False))
    header = ["instance", "value", "program: nonzeros", "program s", "numba s", "numpy s"]
    return markdown_table([*header, "program / numba", "program / numpy", "bracket"], rows), targets


def alone(goals: dict[str, str], repeat: int) -> tuple[list[str], list[str]]:
    """The dynamic program at horizons that no program reaches: a table and the targets."""
    rows, targets = [], []
    for name, goal in goals.items():
        for kernel in KERNELS:
            if (kernel, name) in TOO_LONG:
                continue
            run = medians(repeat if name.endswith("-100") else 1, "promised", name, goal, kernel)
            width = (run["upper"] - run["lower"]) / run["upper"]
            figures = [f"{run['seconds']:.3g}", f"{width:.1e}", f"{run['size']:,}", f"{run['megabytes']:.0f}"]
            rows.append([name, kernel, f"{run['lower']:.9g}", *figures])
            if width > float(goal):
                targets.append(verdict(f"{name}, {kernel}: relative bracket", width, float(goal)))
            if (kernel, name) in SECONDS:
                targets.append(verdict(f"{name}, {kernel}: seconds", run["seconds"], SECONDS[kernel, name]))
            if run["megabytes"] > MEGABYTES:
                targets.append(verdict(f"{name}, {kernel}: MB", run["megabytes"], MEGABYTES))
    header = ["instance", "kernel", "value", "s", "relative bracket", "slopes", "peak MB"]
    return markdown_table(header, rows), targets


def certificates(names: tuple[str, ...], repeat: int) -> tuple[list[str], list[str]]:
    """Exact certificates against the solver that they start from and a dense exact solver: a table and the targets."""
    rows, targets = [], []
    for name in names:
        run = medians(1 if name == "generic-8" else repeat, "exact", name)
        dense = medians(repeat, "dense", name) if run["size"] <= DENSE_LIMIT else None
        if dense and dense["value"] != run["value"]:
            raise SystemExit(f"DISAGREEMENT on {name}: {run} {dense}")
        share = run["exact"] / run["solver"]
        figures = [run["solver"], run["exact"], run["check"], share]
        against = [f"{dense['dense']:.3g}", f"{dense['dense'] / run['exact']:.3g}"] if dense else ["-", "-"]
        digits = len(run["value"].partition("/")[2]) or 1
        rows.append([name, f"{run['size']:,}", str(digits), *(f"{x:.3g}" for x in figures), *against])
        if name == "generic-8":
            targets.append(verdict("K=4, T=8: exact part over the solver's time", share, EXACT_SHARE))
    header = ["instance", "rows", "digits of the denominator", "solver s", "exact s", "check s", "exact / solver"]
    return markdown_table([*header, "dense s", "dense / exact"], rows), targets


def main() -> None:
    """Read the command line, measure, check the values and write the report."""
    parser = argparse.ArgumentParser(description="Benchmark of mechopt's dynamic program and exact certificates.")
    parser.add_argument("--quick", action="store_true", help="short horizons and small proofs only")
    parser.add_argument("--proof-of-8", action="store_true", help="also prove K=4, T=8 (minutes)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the median is reported (default 3)")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "RESULTS-dynamic.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        first = measure("compile", "two-2", cache=folder)["seconds"]
        second = measure("compile", "two-2", cache=folder)["seconds"]
    goals = {name: goal for name, goal in ALONE.items() if not options.quick or int(name.split("-")[1]) <= 30}
    proofs = CERTIFICATES[:2] if options.quick else CERTIFICATES
    proofs += ("generic-8",) if options.proof_of_8 else ()
    parts = (
        crossing(CROSSING[:2] if options.quick else CROSSING, options.repeat),
        alone(goals, options.repeat),
        certificates(proofs, options.repeat),
    )
    titles = "Against the program over histories", "Alone", "Exact certificates"
    lines = [
        "# Benchmark results: the dynamic program and exact certificates",
        "",
        f"Processor time of one thread, medians of {options.repeat}; single runs alone but at 100 periods. "
        "See README.md for what is compared.",
        "",
        *machine(),
        ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ("numba", "python-flint")) + ".",
        "",
        f"The first solve also compiles: {first:.2g} s; with what it has kept on disk {second:.2g} s, most "
        "of which loads numba. Neither is part of the times below.",
        "",
    ]
    for title, (table, _) in zip(titles, parts, strict=True):
        lines += [f"## {title}", "", *table]
    targets = [line for _, found in parts for line in found]
    lines += ["## Targets", "", *targets, ""]
    text = "\n".join(lines)
    print(text)
    options.output.write_text(text)


if __name__ == "__main__":
    main()
