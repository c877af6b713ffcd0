"""Other solvers on the program that mechopt exports, against the way it takes itself: ``python -m benchmarks.solvers``.

One buyer, one item a period, types independent across periods, DIC and EPIR. The program is the one that
``mechopt solve --export`` writes (MPS); each solver reads it and solves it, cold, one thread, in a process of its own,
and its processor seconds count without the reading. `mechopt` is the whole of `mo.optimum`, the building of what it
solves included. Medians of 3; values have to agree, to 1e-6 of their size, or to 1e-4 for PDLP, which stops there.

Writes benchmarks/solvers.csv, from which the picture of docs/benchmarks.md is drawn, and benchmarks/RESULTS-solvers.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.instances import GENERIC_WEIGHTS, THREE, Instance, instance
from benchmarks.run import ROOT, SINGLE_THREAD, machine, markdown_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS = "mechopt"
SOLVERS = ("HiGHS simplex", "HiGHS ipx", "GLOP", "PDLP", "Clarabel")
BY_PERIODS = range(2, 11)
BY_TYPES = (2, 3, 5, 8, 12, 16, 20)
LIMIT = 60.0
TOLERANCE = {"PDLP": 1e-4}
HERE = Path(__file__).parent
TABLE = HERE / "solvers.csv"
FIELDS = ("series", "types", "periods", "rows", "nonzeros", "solver", "seconds", "value")

Row = dict[str, Any]


def instances() -> list[tuple[str, Instance]]:
    """What is solved, by series."""
    longer = [("periods", instance(*THREE, periods)) for periods in BY_PERIODS]
    wider = [("types", instance(tuple(range(1, types + 1)), GENERIC_WEIGHTS, 3)) for types in BY_TYPES]
    return [*longer, *wider]


def environment(given: Instance) -> Any:
    """The same as an environment of ours."""
    import mechopt as mo

    values, probabilities, periods = given
    return mo.IndependentTypes.iid(list(values), list(probabilities), horizon=periods)


def solved(solver: str, path: str) -> tuple[float, float]:
    """Processor seconds and value of a program in a file."""
    if solver in ("GLOP", "PDLP"):
        return _or_tools(solver, path)
    import highspy

    highs = highspy.Highs()
    highs.silent()
    highs.readModel(path)
    if solver == "Clarabel":
        return _clarabel(highs.getLp())
    highs.setOptionValue("solver", solver.split()[1])
    highs.setOptionValue("threads", 1)
    begun = time.process_time()
    highs.run()
    return time.process_time() - begun, highs.getInfo().objective_function_value


def _or_tools(solver: str, path: str) -> tuple[float, float]:
    from ortools.linear_solver.python import model_builder

    model, engine = model_builder.Model(), model_builder.Solver(solver)
    assert model.import_from_mps_file(path)
    begun = time.process_time()
    status = engine.solve(model)
    assert status == model_builder.SolveStatus.OPTIMAL, status
    return time.process_time() - begun, engine.objective_value


def _clarabel(lp: Any) -> tuple[float, float]:
    """Rows and bounds as cones: equalities, then inequalities."""
    import clarabel
    import numpy as np
    from scipy.sparse import csc_array, csc_matrix, eye_array, vstack

    columns, rows = lp.num_col_, lp.num_row_
    parts = np.array(lp.a_matrix_.value_), np.array(lp.a_matrix_.index_), np.array(lp.a_matrix_.start_)
    matrix = csc_array(parts, shape=(rows, columns)).tocsr()
    low, high = np.array(lp.row_lower_), np.array(lp.row_upper_)
    left, right = np.array(lp.col_lower_), np.array(lp.col_upper_)
    sign = 1.0 if str(lp.sense_).endswith("kMinimize") else -1.0
    begun = time.process_time()
    unit, same = eye_array(columns, format="csr"), low == high
    upper, lower = ~same & (high < np.inf), ~same & (low > -np.inf)
    blocks = [matrix[same], matrix[upper], -matrix[lower], unit[right < np.inf], -unit[left > -np.inf]]
    sides = [low[same], high[upper], -low[lower], right[right < np.inf], -left[left > -np.inf]]
    cones = [clarabel.ZeroConeT(int(same.sum())), clarabel.NonnegativeConeT(sum(map(len, sides[1:])))]
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_threads = False, 1
    nothing = csc_matrix((columns, columns))
    engine = clarabel.DefaultSolver(
        nothing, sign * np.array(lp.col_cost_), csc_matrix(vstack(blocks)), np.concatenate(sides), cones, settings
    )
    found = engine.solve()
    return time.process_time() - begun, sign * found.obj_val + lp.offset_


def ours(number: int) -> tuple[float, float]:
    """Processor seconds and value of `mo.optimum`."""
    import mechopt as mo

    mo.optimum(environment(instances()[0][1]))  # what is loaded at the first use
    given = environment(instances()[number][1])
    begun = time.process_time()
    value = mo.optimum(given).value
    return time.process_time() - begun, value


def measured(solver: str, number: int, path: Path) -> tuple[float, float] | None:
    """The same in a process of its own; None where it takes longer than the limit."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.solvers",
        "--solver",
        solver,
        "--number",
        str(number),
        "--file",
        str(path),
    ]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | SINGLE_THREAD, capture_output=True, text=True, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise SystemExit(f"{solver} failed on instance {number}:\n{done.stdout}{done.stderr}")
    seconds, value = json.loads(done.stdout.splitlines()[-1])
    return seconds, value


def measure(repeat: int, quick: bool) -> list[Row]:
    """All solvers on all instances; one that was stopped is not asked for larger ones of its series."""
    import mechopt as mo

    rows, stopped = list[Row](), set[tuple[str, str]]()
    with tempfile.TemporaryDirectory() as folder:
        for number, (series, given) in enumerate(instances()):
            values, _, periods = given
            if quick and (len(values) > 5 or periods > 4):
                continue
            path = Path(folder) / f"{number}.mps"
            problem = mo.Problem(environment(given))
            problem.write(path)
            size = {"series": series, "types": len(values), "periods": periods}
            size |= {"rows": problem.size.rows, "nonzeros": problem.size.nonzeros}
            wanted = None
            for solver in (OURS, *SOLVERS):
                found = [] if (solver, series) in stopped else [measured(solver, number, path) for _ in range(repeat)]
                known = [pair for pair in found if pair is not None]
                if not known or len(known) < len(found):
                    stopped.add((solver, series))
                    continue
                value = known[0][1]
                wanted = value if solver == OURS else wanted
                assert wanted is not None
                if abs(value - wanted) > TOLERANCE.get(solver, 1e-6) * abs(wanted):
                    raise SystemExit(f"DISAGREEMENT: {solver} has {value}, mechopt {wanted} on {size}")
                rows.append(size | {"solver": solver, "seconds": median(pair[0] for pair in known), "value": value})
                print(rows[-1], file=sys.stderr)
    return rows


def again(repeat: int) -> list[Row]:
    """The table that there is, with mechopt's seconds of now."""
    with open(TABLE, newline="") as file:
        rows: list[Row] = list(csv.DictReader(file))
    for row in rows:
        row |= {key: int(row[key]) for key in ("types", "periods", "rows", "nonzeros")}
        row |= {key: float(row[key]) for key in ("seconds", "value")}
    sizes = [(series, len(values), periods) for series, (values, _, periods) in instances()]
    for row in rows:
        if row["solver"] == OURS:
            number = sizes.index((row["series"], row["types"], row["periods"]))
            pairs = [measured(OURS, number, TABLE) for _ in range(repeat)]
            row["seconds"] = median(pair[0] for pair in pairs if pair is not None)
            assert all(pair is not None and abs(pair[1] - row["value"]) <= 1e-9 * row["value"] for pair in pairs)
    return rows


def draw(series: str, axes: Axes | None = None) -> Axes:
    """Processor seconds of each solver against the number of periods or types, on logarithmic axes.

    Parameters
    ----------
    series : str
        ``"periods"`` (three types) or ``"types"`` (three periods).
    axes : matplotlib Axes, optional
    """
    from mechopt.show.figures.axes import own_axes, titled

    axes = own_axes(axes, 7.0, 4.0)
    with open(TABLE, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["series"] == series]
    for solver in (OURS, *SOLVERS):
        points = [(int(row[series]), float(row["seconds"])) for row in rows if row["solver"] == solver]
        style: dict[str, Any] = {"linewidth": 2.5} if solver == OURS else {"linewidth": 1.2, "alpha": 0.85}
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3.5, label=solver, **style)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted({int(row[series]) for row in rows})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(series)
    axes.set_ylabel("processor seconds")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return titled(axes, f"Cost of an optimum by {series}")


def table(rows: list[Row], series: str) -> list[str]:
    """Seconds by instance and solver, with how many times ours."""
    head = ["types", "periods", "rows", "non-zeros", *(OURS, *SOLVERS)]
    lines = list[list[str]]()
    for size in dict.fromkeys((row["types"], row["periods"]) for row in rows if row["series"] == series):
        mine = {
            row["solver"]: row for row in rows if row["series"] == series and (row["types"], row["periods"]) == size
        }
        base = mine[OURS]
        cells = [str(base["types"]), str(base["periods"]), f"{base['rows']:,}", f"{base['nonzeros']:,}"]
        for solver in (OURS, *SOLVERS):
            if solver not in mine:
                cells.append(f"over {LIMIT:g}")
                continue
            times = "" if solver == OURS else f" ({mine[solver]['seconds'] / base['seconds']:.3g}x)"
            cells.append(f"{mine[solver]['seconds']:.3g}{times}")
        lines.append(cells)
    return markdown_table(head, lines)


def main() -> None:
    """Measure, or one measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small instances alone, and nothing is written")
    parser.add_argument("--ours", action="store_true", help="measure mechopt again, and keep the others' rows")
    for name in ("solver", "number", "file"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.solver is not None:
        pair = ours(int(options.number)) if options.solver == OURS else solved(options.solver, options.file)
        sys.stdout.write(json.dumps(pair) + "\n")
        return
    rows = again(options.repeat) if options.ours else measure(options.repeat, options.quick)
    lines = ["# Other solvers on the exported program", "", *(__doc__ or "").split("\n")[2:6], "", *machine()[:4], ""]
    for series, what in (
        ("periods", "Three types, more and more periods"),
        ("types", "Three periods, more and more types"),
    ):
        lines += [f"## {what}", "", *table(rows, series), ""]
    sys.stdout.write("\n".join(lines))
    if not options.quick:
        (HERE / "RESULTS-solvers.md").write_text("\n".join(lines))
        with open(TABLE, "w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
