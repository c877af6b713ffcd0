"""One measurement in a process of its own: ``python -m benchmarks.dynamic_worker KIND INSTANCE [TOLERANCE]``.

The last line of the standard output is a JSON object. Times are processor time of the one thread that everything has
here. Imports are not timed, and neither is what is put off until its first use: a tiny instance is solved before the
clock starts, except for the kind ``compile``, which times just that.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mechopt as mo

LAWS: dict[str, tuple[list[Any], list[Any]]] = {
    "two": ([1, 3], ["0.6", "0.4"]),
    "three": ([1, 2, 4], ["0.3", "0.4", "0.3"]),
    "four": ([1, 2, 4, 7], ["0.3", "0.3", "0.2", "0.2"]),
    "five": ([1, 2, 3, 4, 5], ["1/5"] * 5),
    # drawn once; virtual values -8.3, 3.5, -73.9, 16.2, 17.0: irregular
    "irregular": (["1.47", "5.87", "7.66", "16.98", "17.03"], [Fraction(w, 100) for w in (31, 30, 4, 2, 33)]),
    # seven-digit primes: no two sums of probabilities cancel, as with estimated numbers
    "generic": ([1, 2, 4, 7], [Fraction(w, 9_999_991) for w in (2_999_999, 3_100_003, 1_999_993, 1_899_996)]),
}


def environment(name: str) -> mo.IndependentTypes:
    """Instance from its name: a law and a number of periods, such as ``three-100``."""
    distribution, periods = name.split("-")
    return mo.IndependentTypes.iid(*LAWS[distribution], int(periods))


def program(name: str, tolerance: float) -> dict[str, object]:
    """The program over histories, in mechopt's smallest form."""
    best = mo.optimum(environment(name), method="simplex", accept_range=True)
    return {"lower": best.bound.lower, "upper": best.bound.upper, "size": best.size.nonzeros}


def promised(name: str, tolerance: float) -> dict[str, object]:
    """The promised-utility dynamic program."""
    best = mo.mechanisms.promised_optimum(environment(name), tolerance=tolerance)
    return {"lower": best.bound.lower, "upper": best.bound.upper, "size": best.slopes}


def exact(name: str, tolerance: float) -> dict[str, object]:
    """The solver's time, that of the exact optimum from its basis, and that of checking the proof."""
    from mechopt.proof.check import check_certificate
    from mechopt.solve import highs
    from mechopt.solve.exact.certify import certified

    chosen = mo.formats.plan(environment(name))
    compiled, _ = mo.formats.compile_program(chosen)
    begun = time.process_time()
    basis = highs.solve_program(compiled, "simplex", keep_basis=True).basis
    solved = time.process_time()
    proof = certified(chosen, compiled, basis)
    proved = time.process_time()
    check_certificate(chosen.tree.environment, proof)
    return {
        "solver": solved - begun,
        "exact": proved - solved,
        "check": time.process_time() - proved,
        "value": str(proof.value),
        "size": len(compiled.row_lower),
    }


def dense(name: str, tolerance: float) -> dict[str, object]:
    """Primal and dual of the same basis by FLINT's dense exact solver."""
    import flint
    import numpy as np

    from mechopt.solve import highs
    from mechopt.solve.exact.independent import exact_program

    chosen = mo.formats.plan(environment(name))
    compiled, _ = mo.formats.compile_program(chosen)
    columns, rows = highs.solve_program(compiled, "simplex", keep_basis=True).basis
    rows_exact = exact_program(chosen, compiled)
    basic, tight = np.flatnonzero(columns == 1), np.flatnonzero(rows != 1)
    begun = time.process_time()
    place = {int(column): j for j, column in enumerate(basic)}
    matrix = flint.fmpz_mat(len(tight), len(basic))
    right = flint.fmpz_mat(len(tight), 1)
    for i, r in enumerate(tight):
        side = compiled.row_lower[r] if rows[r] == 0 else compiled.row_upper[r]
        total = int(side) * int(rows_exact.factor[r])
        for entry in range(rows_exact.start[r], rows_exact.start[r + 1]):
            column, value = int(rows_exact.index[entry]), int(rows_exact.value[entry])
            if column in place:
                matrix[i, place[column]] = value
            elif columns[column] != 3:
                total -= value * int(compiled.lower[column] if columns[column] == 0 else compiled.upper[column])
        right[i, 0] = total
    primal = matrix.solve(right)
    costs = flint.fmpz_mat(len(basic), 1, [int(rows_exact.cost[column]) for column in basic])
    matrix.transpose().solve(costs)
    seconds = time.process_time() - begun
    products = (Fraction(int(x.p), int(x.q)) * int(c) for x, c in zip(primal.entries(), costs.entries(), strict=True))
    value = sum(products, Fraction(0))
    for column in np.flatnonzero((columns == 0) | (columns == 2)):
        bound = compiled.lower[column] if columns[column] == 0 else compiled.upper[column]
        value += int(rows_exact.cost[column]) * int(bound)
    value = value / int(rows_exact.denominator) + rows_exact.offset
    return {"dense": seconds, "value": str(value), "size": len(compiled.row_lower)}


KINDS: dict[str, Callable[[str, float], dict[str, object]]] = {
    "program": program,
    "promised": promised,
    "compile": promised,
    "exact": exact,
    "dense": dense,
}


def measure(kind: str, name: str, tolerance: str = "1e-6") -> dict[str, object]:
    """Run one kind of measurement once.

    Returns
    -------
    dict
        Processor ``seconds`` from the numbers to the answer, peak memory of this process in MB, and what the kind
        returns.
    """
    if kind != "compile":
        KINDS[kind]("two-2", 1e-6)
    start = time.process_time()
    found = KINDS[kind](name, float(tolerance))
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "megabytes": peak / (2**20 if sys.platform == "darwin" else 2**10)} | found


if __name__ == "__main__":
    print("\n" + json.dumps(measure(*sys.argv[1:])))
