"""Programs as HiGHS takes them, and as MPS and LP files.

Rows go in as arrays, the objective scaled by a power of two so that its smallest coefficient is at least 1 (products of
probabilities would otherwise drop under the dual tolerance) but its largest at most 2^20 (the simplex fails above). One
thread, cold start, fixed seed: runs repeat.
"""

from __future__ import annotations

from math import ceil, log2
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mechopt.core.errors import InputError, require_type
from mechopt.core.numbers import SOLVER_TOLERANCE, FloatArray
from mechopt.lp.program import LinearProgram
from mechopt.solve import runtime

LARGEST_COST_EXPONENT = 20
SMALLEST_COEFFICIENT = 1e-12
"""HiGHS takes smaller coefficients for 0; its default, 1e-9, drops products of probabilities that are met."""


def objective_scale(cost: FloatArray) -> float:
    """Power of two that makes the smallest coefficient at least 1, and keeps the largest below 2^20."""
    sizes = np.abs(cost[cost != 0])
    if not sizes.size:
        return 1.0
    return float(2.0 ** min(ceil(-log2(sizes.min())), LARGEST_COST_EXPONENT - ceil(log2(sizes.max()))))


def to_highs(program: LinearProgram, scale: float = 1.0, presolve: bool = True, whole: bool = True) -> Any:
    """A ``highspy.Highs`` that holds the program, silent and not parallel, for a user's own work with it.

    Its option ``threads`` is left alone, so that it runs whatever ran before in the calling thread.

    Parameters
    ----------
    program : LinearProgram
        Columns and objective are in its units; ``program.scaled(layout.unit)`` puts the objective into money.
    scale : float
        Multiplies the objective.
    presolve : bool
    whole : bool
        Whether columns that are to be whole numbers are; else it is the linear relaxation.
    """
    if not isinstance(program, LinearProgram):
        raise InputError(
            f"this takes a LinearProgram and not {type(program).__name__}; write problem.to_highs(), or "
            "program, layout = mo.formats.compile_program(plan) and mo.formats.to_highs(program.scaled(layout.unit))"
        )
    highs = runtime.new_highs(
        {
            "parallel": "off",
            "random_seed": 0,
            "presolve": "on" if presolve else "off",
            "primal_feasibility_tolerance": SOLVER_TOLERANCE,
            "dual_feasibility_tolerance": SOLVER_TOLERANCE,
            "small_matrix_value": SMALLEST_COEFFICIENT,  # before the program goes in: smaller ones are dropped then
        }
    )
    runtime.load(
        highs,
        True,
        program.offset * scale,
        program.cost * scale,
        (program.lower, program.upper),
        (program.row_lower, program.row_upper),
        (program.start, program.index, program.value),
    )
    if whole and len(program.integer):
        runtime.require_whole(highs, program.integer)
    return highs


def ours(program: LinearProgram, scale: float = 1.0, presolve: bool = True) -> Any:
    """A solver for the threads of `runtime`, whose schedulers have one thread."""
    highs = to_highs(program, scale, presolve, whole=False)
    runtime.set_options(highs, {"threads": 1})
    return highs


def to_mps(program: LinearProgram, path: str | Path) -> None:
    """Write a program as a free-format MPS file, whole or not at all; units as for `to_highs`.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    require_type(path, (str, PathLike), "to_mps", "give mo.formats.to_mps(program, path)")
    write_program(program, path, ".mps")


def write_program(program: LinearProgram, path: str | Path, ending: str = "") -> None:
    """Write a program as an MPS or LP file, by the ending of its name unless that is given; see `to_mps`."""
    from mechopt.core.atomic import write_atomically

    def write(file: Any) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            name = str(Path(folder) / f"model{ending or Path(path).suffix.lower() or '.mps'}")
            runtime.require(to_highs(program).writeModel(name), "writes no such program")
            file.write(Path(name).read_bytes())

    write_atomically(path, write)
