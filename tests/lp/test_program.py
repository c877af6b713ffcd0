"""Programs: predicted sizes, words for rows and columns, conflicts, files, and bounds that do not trust the solver."""

import highspy
import numpy as np
import pytest
from hypothesis import given, settings

import mechopt as mo
from mechopt.solve.solution import lower_bound, upper_bound
from tests.instances import environments, incentives, participations

HALF = ["1/2", "1/2"]


@settings(max_examples=80, deadline=None)
@given(environments(max_buyers=3, max_types=3), incentives, participations)
def test_sizes_are_predicted_exactly(env, ic, ir):
    for form in ("promise", "utility", "payment"):
        for misreports in ("adjacent", "all"):
            try:
                chosen = mo.formats.plan(env, ic, ir, form=form, misreports=misreports)
            except mo.InputError:
                continue
            program, _ = mo.formats.compile_program(chosen)
            size = chosen.size
            assert (size.rows, size.columns, size.nonzeros) == program.size
            assert np.all(program.value != 0)
            assert size.histories == sum(mo.formats.HistoryTree(env).count[1:])


def test_three_nonzeros_a_dic_row_for_one_buyer():
    program, _ = mo.formats.compile_program(
        mo.formats.plan(mo.IndependentTypes.iid(range(1, 6), ["1/5"] * 5, 3), form="utility")
    )
    widths = np.diff(program.start)
    dic = [r for r in range(program.size[0]) if program.describe_row(r).startswith("dic")]
    assert len(dic) == (1 + 5 + 25) * 8
    assert set(widths[dic]) == {3}


def test_rows_and_columns_say_what_they_are():
    env = mo.IndependentTypes.iid([1, 2], HALF, 2, agents=2)
    program, layout = mo.formats.compile_program(mo.formats.plan(env, ic=mo.ExPostIC()))
    rows = [program.describe_row(r) for r in range(program.size[0])]
    wanted = "ex-post, buyer 1, period 1, after 2/1, true type 2, report 1, others' types 2"
    assert wanted in rows
    assert len(set(rows)) == len(rows)
    row = program.matrix[[rows.index(wanted)]]
    named = {program.describe_column(int(c)): v for c, v in zip(row.indices, row.data, strict=True)}
    assert layout.unit == 2.0
    assert named == {  # (S(1, other 1) - S(0, other 1)) / (2 - 1) - x(0, other 1) >= 0, money in units of 2
        "lifetime utility of buyer 1 after 2/1, 2/2": 2.0,
        "lifetime utility of buyer 1 after 2/1, 2/1": -2.0,
        "allocation of buyer 1 after 2/1, reports 2/1": -1.0,
    }
    columns = [program.describe_column(c) for c in range(program.size[1])]
    assert len(set(columns)) == len(columns)


def test_demanding_more_than_the_optimum_names_the_conflict():
    env = mo.IndependentTypes.iid([1, 2], HALF, 2)  # the optimum is 9/4
    program, layout = mo.formats.compile_program(mo.formats.plan(env))
    columns = np.flatnonzero(program.cost)[None]
    cost = program.cost[columns]
    enough = program.with_rows("demanded revenue", columns, cost, 2.24 / layout.unit, np.inf)
    assert mo.formats.solve_program(enough).value * layout.unit == pytest.approx(2.25)
    solution = mo.formats.solve_program(
        program.with_rows("demanded revenue", columns, cost, 2.26 / layout.unit, np.inf)
    )
    assert solution.status == "infeasible"
    assert "demanded revenue" in solution.conflict
    assert "dic, buyer 0, period 1, after 1, true type 2, report 1" in solution.conflict
    assert any(line.startswith("0 <= lifetime utility of buyer 0 after 1, 1") for line in solution.conflict)


def test_highs_object_holds_the_same_program():
    program, layout = mo.formats.compile_program(mo.formats.plan(mo.IndependentTypes.iid([1, 2], HALF, 3)))
    highs = mo.formats.to_highs(program.scaled(layout.unit))
    highs.run()
    assert highs.getInfo().objective_function_value == pytest.approx(3.5)


def test_mps_file_holds_the_same_program(tmp_path):
    program, layout = mo.formats.compile_program(mo.formats.plan(mo.IndependentTypes.iid([1, 2], HALF, 3)))
    mo.formats.to_mps(program, tmp_path / "model.mps")
    highs = highspy.Highs()
    highs.silent()
    highs.readModel(str(tmp_path / "model.mps"))
    highs.run()
    assert abs(highs.getInfo().objective_function_value) * layout.unit == pytest.approx(3.5)
    with pytest.raises(mo.InputError, match="cannot write"):
        mo.formats.to_mps(program, tmp_path / "missing" / "model.mps")
    assert [p.name for p in tmp_path.iterdir()] == ["model.mps"]


@settings(max_examples=30, deadline=None)
@given(environments(max_periods=2), incentives)
def test_bounds_hold_for_any_multipliers_and_any_point(env, ic):
    """Weak duality with our own matrix: wrong multipliers give weak bounds, never wrong ones."""
    program, _ = mo.formats.compile_program(mo.formats.plan(env, ic=ic))
    solution = mo.formats.solve_program(program)
    rng = np.random.default_rng(0)
    for size in (0.0, 1e-6, 1e-2):
        dual = solution.dual + size * rng.standard_normal(solution.dual.shape)
        boxes = np.isfinite(program.upper) | (program.cost - dual @ program.matrix <= 0)
        if np.all(boxes & (np.isfinite(program.lower) | (program.cost - dual @ program.matrix >= 0))):
            assert upper_bound(program, dual, solution.primal) >= solution.value - 1e-9
    moved = solution.primal + 1e-3
    assert lower_bound(program, moved, solution.dual) == -np.inf or program.cost @ moved + program.offset <= (
        solution.bound.upper + 1e-9
    )


def test_a_wrong_answer_of_the_solver_is_not_called_optimal():
    from mechopt.solve.solution import Status, judged

    program, _ = mo.formats.compile_program(mo.formats.plan(mo.IndependentTypes.iid([1, 2], HALF, 3)))
    good = mo.formats.solve_program(program)
    half_way = judged(program, 0.5 * good.primal, good.dual, Status.OPTIMAL, "simplex", 0)
    assert half_way.status == "inaccurate"  # feasible, but the bracket is open
    assert half_way.bound.lower < half_way.bound.upper
    infeasible = judged(program, 1.5 * good.primal + 1, good.dual, Status.OPTIMAL, "simplex", 0)
    assert infeasible.status == "inaccurate"
    assert infeasible.bound.lower == 0  # the null mechanism
    blind = judged(program, good.primal, 0 * good.dual, Status.OPTIMAL, "simplex", 0)
    assert blind.status == "inaccurate"
    assert judged(program, good.primal, good.dual, Status.TIME_LIMIT, "simplex", 0).status == "optimal"


def test_unknown_method_form_and_misreports_are_refused():
    env = mo.IndependentTypes.iid([1, 2], HALF, 2)
    with pytest.raises(mo.InputError, match="method 'ipm' is none of auto, program, simplex, ipx"):
        mo.optimum(env, method="ipm")
    with pytest.raises(mo.InputError, match="form 'promise' cannot express these constraints; allowed: auto, payment"):
        mo.formats.plan(env, ic=mo.PPIC(), form="promise")
    with pytest.raises(mo.InputError, match="write 'adjacent' or 'all'"):
        mo.formats.plan(env, misreports="some")
    with pytest.raises(mo.InputError, match="this is an ir constraint"):
        mo.formats.plan(env, ic=mo.EPIR())
    with pytest.raises(mo.InputError, match="is not a constraint"):
        mo.formats.plan(env, ic="truth")


def test_progress_is_reported():
    seen = []
    env = mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 8)
    mo.optimum(env, progress=lambda iterations, seconds: seen.append((iterations, seconds)))
    assert seen
    assert all(iterations >= 0 and seconds > 0 for iterations, seconds in seen)


def test_deterministic_allocation_by_mixed_integer_programming():
    """Equal revenue {2, 4} then {2, 4, 8}: the best deterministic mechanism earns less than the best one, 5."""
    env = mo.IndependentTypes([[[2, 4], [2, 4, 8]]], [[HALF, ["1/2", "1/4", "1/4"]]])
    model = mo.formats.to_cvxpy(mo.formats.plan(env, form="payment"), deterministic=True)
    mechanism = model.solve(solver="HIGHS")
    assert all(np.allclose(x, x.round(), atol=1e-6) for x in mechanism.allocation)
    assert mo.verify(mechanism).holds
    assert 4 - 1e-6 <= mechanism.revenue <= mo.optimum(env).value + 1e-6


def test_budget_of_ones_own_through_cvxpy_and_errors():
    env = mo.IndependentTypes.iid([1, 2], HALF, 2)
    for form in ("payment", "utility", "promise"):
        model = mo.formats.to_cvxpy(mo.formats.plan(env, form=form))
        assert model.solve(solver="HIGHS").revenue == pytest.approx(2.25)
    model = mo.formats.to_cvxpy(mo.formats.plan(env, form="payment"))
    with pytest.raises(mo.errors.NoOptimumError, match="has not been solved"):
        model.mechanism()
    with pytest.raises(mo.errors.NoOptimumError, match="infeasible"):
        model.solve([model.allocation[0] >= 2], solver="HIGHS")


@pytest.mark.parametrize("limit", ["budget:3", "prefix-budget:3", "ex-ante-budget-balance", "no-subsidy"])
def test_sizes_are_whole_numbers_of_python_where_discounts_differ(limit):
    env = mo.IndependentTypes([[[1, 2]] * 2, [[1]] * 2], [[["1/2", "1/2"]] * 2, [[1]] * 2], discounts=["3/5", "1/2"])
    size = mo.Problem(env, subject_to=limit).size
    assert {type(part) for part in (size.rows, size.columns, size.nonzeros, size.histories)} == {int}
    assert (size.rows, size.columns, size.nonzeros) == mo.Problem(env, subject_to=limit).program()[0].size
