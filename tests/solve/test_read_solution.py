"""Solutions of other solvers: their formats, our bracket, and files that are refused."""

from __future__ import annotations

import re

import pytest
from highspy import Highs

import mechopt as mo
from tests.persistent_instances import battaglini

COIN = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3)
PROBLEMS = {
    "independent": mo.Problem(COIN),
    "payment": mo.Problem(mo.IndependentTypes.iid([10, 40], ["1/2", "1/2"], 1), subject_to="budget:20"),
    "persistent": mo.Problem(battaglini(2), ir="epir"),
}


def solved_elsewhere(problem, folder, ending):
    """The exported program solved by HiGHS alone: its solver, for the numbers, and its own file."""
    problem.write(folder / f"program.{ending}")
    highs = Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(folder / f"program.{ending}"))
    highs.run()
    highs.writeSolution(str(folder / "highs.sol"), 0)
    return highs


def written(highs, kind):
    names, solution = highs.getLp(), highs.getSolution()  # an LP file orders columns anew
    values = dict(zip(names.col_names_, solution.col_value, strict=True))
    duals = dict(zip(names.row_names_, solution.row_dual, strict=True))
    if kind == "gurobi":
        lines = ["# Solution for model program", f"# Objective value = {highs.getObjectiveValue()}"]
        return "\n".join([*lines, *(f"{c} {v!r}" for c, v in values.items())])
    if kind == "scip":
        lines = ["solution status: optimal solution found", f"objective value: {highs.getObjectiveValue()}"]
        return "\n".join([*lines, *(f"{c}    {v!r}\t(obj:0)" for c, v in values.items() if v)])
    sign = -1 if kind == "cplex-minus" else 1
    rows = [f'<constraint name="{r}" slack="0" dual="{sign * y!r}"/>' for r, y in duals.items()]
    columns = [f'<variable name="{c}" value="{v!r}" reducedCost="0"/>' for c, v in values.items()]
    return "\n".join(['<?xml version = "1.0"?>', "<CPLEXSolution>", *rows, *columns, "</CPLEXSolution>"])


@pytest.mark.parametrize("ending", ["mps", "lp"])
@pytest.mark.parametrize("kind", ["highs", "cplex", "cplex-minus", "gurobi", "scip"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_solutions_of_other_solvers_are_judged_here(tmp_path, name, kind, ending):
    problem = PROBLEMS[name]
    highs = solved_elsewhere(problem, tmp_path, ending)
    path = tmp_path / "highs.sol"
    if kind != "highs":
        path = tmp_path / f"{kind}.sol"
        path.write_text(written(highs, kind))
    found, ours = problem.read_solution(path), problem.solve()
    assert found.value == pytest.approx(ours.value, rel=1e-8)
    assert found.mechanism.revenue == pytest.approx(ours.value, rel=1e-8)
    assert mo.verify(found.mechanism).holds
    assert found.bound.lower <= ours.value + 1e-7 <= found.bound.upper + 2e-7
    if kind in ("gurobi", "scip"):
        assert found.status is mo.results.Status.UNPROVED
        assert "no multipliers" in found.conflict[0]
        with pytest.raises(mo.errors.LimitError, match="no multipliers"):
            found.require_optimal()
    else:
        assert found.status is mo.results.Status.OPTIMAL
        assert found.bound.upper - found.bound.lower <= 1e-6 * max(1, abs(ours.value))


def test_a_worse_point_is_told_by_its_bracket(tmp_path):
    problem = PROBLEMS["independent"]
    highs = solved_elsewhere(problem, tmp_path, "mps")
    text = written(highs, "cplex")
    path = tmp_path / "zero.sol"
    path.write_text(re.sub(r'value="[^"]*"', 'value="0"', text))
    found = problem.read_solution(path)
    assert found.status is mo.results.Status.UNPROVED
    assert (found.bound.lower, found.bound.upper) == (pytest.approx(0), pytest.approx(3.5))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no column of this library"),
        ("Columns\n    Index Status Lower Upper Primal Dual Name\n 0 BS 0 inf 1 -0 c0\n", "by HiGHS in style raw"),
        ('<CPLEXSolution version="1.2">\n <variables>\n  <var', "give the whole .sol file"),
        ("x1 3\ny 4\n", "has no column of this library"),
        ("c0 1\nc999 2\n", "names c999, this program has 29 columns"),
        ("c0 one\n", "'one' is not a number"),
        ("c0 nan\n", "c0 is not finite"),
        ("c0 1\nc0 2\n", "stands twice"),
        ("c0 1000\n", "its point misses promise, buyer 0, period 0, at the start by 1e+03"),
    ],
)
def test_files_that_say_nothing_are_refused(tmp_path, text, words):
    path = tmp_path / "some.sol"
    path.write_text(text)
    with pytest.raises(mo.InputError) as caught:
        PROBLEMS["independent"].read_solution(path)
    assert words in str(caught.value)
    with pytest.raises(mo.InputError, match="cannot read"):
        PROBLEMS["independent"].read_solution(tmp_path / "nowhere.sol")


def test_the_command_line_reads_them(mechopt, tmp_path):
    model = "mirrokni-2020/two-values-three-periods"
    assert mechopt("solve", model, "--export", str(tmp_path / "program.mps"))[0] == 0
    solved_elsewhere(PROBLEMS["independent"], tmp_path, "mps")
    status, out, _ = mechopt("solve", model, "--solution", str(tmp_path / "highs.sol"))
    assert status == 0
    assert "3.5" in out
    status, _, err = mechopt("solve", model, "--solution", str(tmp_path / "highs.sol"), "--exact")
    assert status == 2
    assert "--solution" in err
