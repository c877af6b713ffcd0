"""Properties of optima: orders between constraints, invariances, agreement of forms and solvers, and what verifies."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from tests.instances import distributions, environments, incentives, participations

HALF = ["1/2", "1/2"]


def value(env, ic=mo.DIC(), ir=mo.EPIR(), objective=mo.Revenue(), **options):  # noqa: B008
    best = mo.optimum(env, ic, ir, objective, **options)
    assert best.status == "optimal"
    assert best.bound.lower <= best.value + 1e-9
    assert best.bound.gap <= 1e-8
    return best.value


def close(a, b):
    return abs(a - b) <= 1e-8 * max(1.0, abs(a))


@settings(max_examples=60, deadline=None)
@given(environments(), incentives, participations)
def test_every_optimum_keeps_its_constraints_and_earns_its_value(env, ic, ir):
    best = mo.optimum(env, ic, ir)
    assert best.status == "optimal"
    assert close(best.mechanism.revenue, best.value)
    report = mo.verify(best.mechanism)
    assert set(report) == {*ic, *ir}
    assert report.holds, report
    implied = mo.verify(best.mechanism, mo.formats.closure((*ic, *ir)))
    assert implied.holds, implied


@settings(max_examples=40, deadline=None)
@given(environments(), incentives, participations, st.data())
def test_forms_and_misreports_agree(env, ic, ir, data):
    reference = value(env, ic, ir, form="payment")
    for form in ("promise", "utility"):
        for misreports in ("adjacent", "all"):
            try:
                chosen = mo.formats.plan(env, ic, ir, form=form, misreports=misreports)
            except mo.InputError:
                continue
            program, layout = mo.formats.compile_program(chosen)
            solution = mo.formats.solve_program(program)
            assert close(solution.value * layout.unit, reference)
            assert mo.verify(layout.mechanism(solution.primal)).holds


@settings(max_examples=40, deadline=None)
@given(environments(), incentives, participations, st.data())
def test_relaxing_a_constraint_never_lowers_the_optimum(env, ic, ir, data):
    strict = value(env, ic, ir)
    weaker_ic = data.draw(st.lists(st.sampled_from(ic), unique=True)) if ic else []
    weaker_ir = data.draw(st.lists(st.sampled_from(ir), min_size=1, unique=True))
    assert value(env, weaker_ic, weaker_ir) >= strict - 1e-8
    implied_ic = [n for n in mo.formats.closure(ic) if n.role == "ic"]
    implied_ir = [n for n in mo.formats.closure(ir) if n.role == "ir"]
    assert close(value(env, implied_ic, implied_ir), strict)
    if mo.DIC() in implied_ic:
        assert value(env, mo.DIC(), ir) >= value(env, mo.ExPostIC(), ir) - 1e-8 >= value(env, mo.SuperDIC(), ir) - 2e-8


@settings(max_examples=30, deadline=None)
@given(environments(max_buyers=2), incentives, participations)
def test_order_of_buyers_does_not_matter(env, ic, ir):
    turned = mo.IndependentTypes(env.values[::-1], env.probabilities[::-1], env.cost, env.discount)
    assert close(value(env, ic, ir), value(turned, ic, ir))


@settings(max_examples=30, deadline=None)
@given(environments(), incentives, participations, st.sampled_from(["3", "1/1000", "1000000", "7/3"]))
def test_currency_does_not_matter(env, ic, ir, factor):
    factor = Fraction(factor)
    exact = env.exact
    values = [[[v * factor for v in row] for row in buyer] for buyer in exact.values]
    scaled = mo.IndependentTypes(values, exact.probabilities, [c * factor for c in exact.cost], exact.discount)
    assert abs(value(scaled, ic, ir) / float(factor) - value(env, ic, ir)) <= 1e-8 * max(1.0, value(env, ic, ir))


@settings(max_examples=30, deadline=None)
@given(environments(max_buyers=1), st.data())
def test_a_type_split_into_two_nearly_equal_halves_changes_nothing(env, data):
    """Two halves of one type cannot be told apart; values must increase, so one half is a hair (1e-4) higher."""
    t = data.draw(st.integers(0, env.horizon - 1))
    k = data.draw(st.integers(0, env.shape[t][0] - 1))
    hair = Fraction(1, 10**4)
    values = [[list(row) for row in buyer] for buyer in env.exact.values]
    probabilities = [[list(row) for row in buyer] for buyer in env.exact.probabilities]
    values[0][t].insert(k + 1, values[0][t][k] + hair)
    half = probabilities[0][t][k] / 2
    probabilities[0][t][k : k + 1] = [half, half]
    split = mo.IndependentTypes(values, probabilities, env.exact.cost, env.exact.discount)
    assert abs(value(split) - value(env)) <= 10 * hair


@settings(max_examples=30, deadline=None)
@given(environments(max_buyers=2), st.data())
def test_a_type_of_probability_zero_changes_nothing(env, data):
    i = data.draw(st.integers(0, env.agents - 1))
    t = data.draw(st.integers(0, env.horizon - 1))
    values = [[list(row) for row in buyer] for buyer in env.exact.values]
    probabilities = [[list(row) for row in buyer] for buyer in env.exact.probabilities]
    new = data.draw(st.integers(0, 26).map(lambda v: Fraction(v, 2)).filter(lambda v: v not in values[i][t]))
    place = sum(v < new for v in values[i][t])
    values[i][t].insert(place, new)
    probabilities[i][t].insert(place, Fraction(0))
    padded = mo.IndependentTypes(values, probabilities, env.exact.cost, env.exact.discount)
    for ic, ir in ((mo.DIC(), mo.EPIR()), (mo.ExPostIC(), mo.PPIR()), (mo.SuperDIC(), mo.EPIR())):
        assert close(value(padded, ic, ir), value(env, ic, ir))


@pytest.mark.parametrize("solver", ["CLARABEL", "SCIPY"])
@settings(max_examples=12, deadline=None)
@given(env=environments(max_periods=2, max_types=3), ic=incentives, ir=participations)
def test_other_solvers_through_cvxpy_agree(solver, env, ic, ir):
    model = mo.formats.to_cvxpy(mo.formats.plan(env, ic, ir, form="payment"))
    mechanism = model.solve(solver=solver)
    assert abs(mechanism.revenue - value(env, ic, ir)) <= 1e-5 * max(1.0, env.first_best)


@settings(max_examples=30, deadline=None)
@given(environments(max_buyers=2, max_periods=2))
def test_welfare_optimum_is_first_best_and_weights_trade_off(env):
    assert close(value(env, objective=mo.Welfare()), env.first_best)
    mixed = mo.optimum(env, objective=mo.Revenue() + 0.5 * mo.Welfare())
    outcome = mixed.mechanism.outcome
    assert close(mixed.value, outcome.revenue + 0.5 * outcome.welfare)
    assert mixed.value >= value(env) + 0.5 * mo.optimum(env).mechanism.welfare - 1e-8


def test_utility_has_no_bound_without_a_weight_on_revenue():
    env = mo.IndependentTypes.iid([1, 2], HALF, 2)
    best = mo.optimum(env, objective=mo.Utility())
    assert best.status == "unbounded"
    assert best.mechanism is None
    assert any("is unbounded" in line for line in best.conflict)
    with pytest.raises(mo.errors.NoOptimumError, match="is unbounded"):
        best.require_optimal()


def test_revenue_without_participation_has_no_bound_and_says_what_falls():
    best = mo.optimum(mo.IndependentTypes.iid([1, 2], HALF, 2), ir=None)
    assert best.status == "unbounded"
    assert "lifetime utility of buyer 0" in best.conflict[0]
    with pytest.raises(mo.errors.NoOptimumError, match="add a participation constraint"):
        best.require_optimal()


def test_interior_point_and_simplex_agree():
    env = mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 5)
    for form in ("promise", "utility", "payment"):
        assert close(value(env, method="ipx", form=form), value(env, method="simplex", form=form))


def test_time_limit_leaves_a_valid_bracket_and_a_mechanism():
    env = mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 7)
    stopped = mo.optimum(env, time_limit=0.0)
    assert stopped.status == "time limit"
    assert stopped.bound.lower <= mo.optimum(env).value <= stopped.bound.upper
    assert stopped.bound.upper == pytest.approx(env.first_best)
    assert mo.verify(stopped.mechanism).holds
    with pytest.raises(mo.errors.LimitError, match="raise the time limit") as caught:
        stopped.require_optimal()
    assert (caught.value.lower, caught.value.upper) == (stopped.bound.lower, stopped.bound.upper)


def test_a_horizon_that_explodes_is_refused_with_figures():
    env = mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 60)
    with pytest.raises(
        mo.errors.LimitError, match=r"rows.*columns.*non-zeros.*histories.*bytes.*fewer periods"
    ) as caught:
        mo.optimum(env, method="simplex")
    assert caught.value.lower == 0
    assert caught.value.upper == pytest.approx(60 * 2.3)


def test_promised_method_goes_where_the_program_cannot():
    env = mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 60)
    with pytest.raises(mo.errors.LimitError, match=r'take method="promised"'):
        mo.optimum(env, method="simplex")
    assert mo.optimum(env).method == "promised"  # by predicted seconds
    best = mo.optimum(env, ic=(mo.PPIC(), mo.INDU()), ir=mo.PFIR(), method="promised")
    assert (best.method, best.status) == ("promised", "optimal")
    assert best.bound.lower <= best.value <= best.bound.upper <= best.bound.lower * (1 + 2e-6)
    assert best.mechanism.revenue + best.mechanism.utilities[0] == pytest.approx(best.mechanism.welfare)
    short = mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 5)
    found = mo.optimum(short, method="promised")
    assert found.bound.lower <= value(short) <= found.bound.upper
    report = mo.verify(found.mechanism)
    assert set(report) == {mo.DIC(), mo.EPIR()}
    assert report.holds
    with pytest.raises(mo.errors.LimitError, match="histories"):
        mo.verify(best.mechanism)


@pytest.mark.parametrize(
    "options",
    [{"ir": mo.PPIR()}, {"ic": mo.SuperDIC()}, {"objective": mo.Welfare()}],
    ids=["per-period-ir", "super-dic", "welfare"],
)
def test_promised_method_refuses_what_it_is_not_for(options):
    with pytest.raises(mo.InputError, match='method "promised"'):
        mo.optimum(mo.IndependentTypes.iid([1, 2], HALF, 3), method="promised", **options)
    with pytest.raises(mo.InputError, match='method "promised"'):
        mo.optimum(mo.IndependentTypes.iid([1, 2], HALF, 3, agents=2), method="promised")


def test_values_too_far_apart_are_refused_unless_asked():
    env = mo.IndependentTypes.iid([1, "1.00000000001", 9], ["1/3", "1/3", "1/3"], 2)
    with pytest.raises(mo.InputError, match=r"values or probabilities differ by a factor of .*accept_range"):
        mo.optimum(env)
    assert value(env, accept_range=True) == pytest.approx(value(mo.IndependentTypes.iid([1, 9], ["2/3", "1/3"], 2)))
    with pytest.warns(UserWarning, match="differ by a factor"):
        value(mo.IndependentTypes.iid([1, "1.0000001", 9], ["1/3", "1/3", "1/3"], 2))


def test_skewed_probabilities_do_not_drive_the_objective_out_of_range():
    """Products of rare types make the smallest cost tiny; scaled to 1, the largest is too large for the simplex."""
    rare, likely = "1/1000", "999/1000"
    env = mo.IndependentTypes([[[1, 2], [0, 1]], [[3, 4], [0, 2]]], [[[rare, likely]] * 2, [[likely, rare]] * 2])
    assert value(env, ir=mo.Interim()) == pytest.approx(4.000001, abs=1e-9)
    value(mo.IndependentTypes.iid([1, 2], [likely, rare], 9))


def test_replace_keeps_the_rest_exact():
    env = mo.IndependentTypes.iid([1, 2], [1 / 3, 2 / 3], 2)
    assert replace(env, discount="9/10").exact.probabilities[0][0] == (Fraction(1, 3), Fraction(2, 3))


@settings(max_examples=20, deadline=None)
@given(environments(max_buyers=2, max_periods=2), st.integers(0, 2**32 - 1))
def test_simulation_agrees_with_expectation(env, seed):
    mechanism = mo.optimum(env).mechanism
    simulated = mechanism.simulate(seed, 4000)
    for found, error, expected in (
        (simulated.revenue, simulated.revenue_error, mechanism.revenue),
        (simulated.welfare, simulated.welfare_error, mechanism.welfare),
        *zip(simulated.utilities, simulated.utility_errors, mechanism.utilities, strict=True),
    ):
        assert abs(found - expected) <= 6 * error + 1e-9
    assert mechanism.simulate(seed, 4000) == simulated


@settings(max_examples=20, deadline=None)
@given(distributions(4), distributions(4))
def test_two_period_optimum_is_at_least_static_and_at_most_full_surplus(first, second):
    env = mo.IndependentTypes([[first[0], second[0]]], [[first[1], second[1]]])
    static = value(env, ic=mo.SuperDIC())
    mean = float(sum(v * p for v, p in zip(first[0], first[1], strict=True)))
    last = value(mo.IndependentTypes([[second[0]]], [[second[1]]]))
    assert static - 1e-8 <= value(env) <= mean + last + 1e-8  # Rev <= E[v_1] + Rev*(F_2)


def test_frame_has_a_row_a_buyer_and_profile():
    env = mo.IndependentTypes([[[1, 2]] * 2, [[1], [3, 4, 5]]], [[HALF] * 2, [["1"], ["1/3", "1/3", "1/3"]]])
    mechanism = mo.optimum(env).mechanism
    frame = mechanism.to_frame()
    assert len(frame) == 2 * (2 * 1 + 2 * 1 * 2 * 3)
    last = frame[(frame.period == 1) & (frame.buyer == 1)]
    assert last.reach.sum() == pytest.approx(1)
    assert set(last.past) == {"1/1", "2/1"}
    assert np.allclose((frame.reach * frame.payment).sum(), mechanism.revenue)


def test_interim_rationality_over_a_long_horizon_has_a_closed_form():
    # Myerson's price 2 in period 0 earns 1.4; all later welfare, 2.3 a period, is sold in advance.
    best = mo.optimum(mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 60), ir=mo.Interim())
    assert (best.method, best.status) == ("closed form", "optimal")
    assert best.value == pytest.approx(1.4 + 59 * 2.3)
