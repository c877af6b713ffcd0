"""A problem is one value, from which size, program, optimum, exports and proof follow; its methods are a list."""

import re
from dataclasses import FrozenInstanceError

import highspy
import numpy as np
import pytest

import mechopt as mo
from mechopt.solve.methods import METHODS, choose, predicted
from mechopt.solve.program import Effort
from mechopt.study.fit.result import Fit

HALF = ["1/2", "1/2"]
ONE = mo.IndependentTypes.iid([1, 2], HALF, horizon=3)  # optimum 7/2
TWO = mo.IndependentTypes.iid([1, 3], ["3/5", "2/5"], horizon=2, agents=2)
CHAIN = mo.MarkovTypes(
    [[[0, 0], [1, 2]]], [[["3/4", "1/4"], ["1/4", "3/4"]]], [HALF], horizon=2, actions=["keep", "sell"]
)


@pytest.mark.parametrize("env", [ONE, TWO, CHAIN], ids=["one buyer", "two", "persistent"])
def test_names_mean_the_same_as_values(env):
    persistent = env is CHAIN
    ic, ir = (mo.BayesianIC(), mo.Interim()) if persistent else (mo.DIC(), mo.EPIR())
    values = mo.Problem(env, ic, [ir], objective=mo.Revenue() + 0.5 * mo.Welfare())
    names = mo.Problem(env, ic.name, [ir.name], objective="revenue+0.5*welfare")
    assert (
        (names.ic, names.ir, names.objective)
        == (values.ic, values.ir, values.objective)
        == ((ic,), (ir,), values.objective)
    )
    best = mo.optimum(env, ic.name, [ir.name], "revenue+0.5*welfare")
    assert best.value == values.solve().value
    assert mo.verify(best.mechanism, ir.name)[ir].holds
    assert list(mo.verify(best.mechanism, f"{ic.name}+{ir.name}")) == [ic, ir]
    assert mo.formats.plan(env, ic.name, ir.name).ic == (ic,)


STAY, SALE = [["3/4", "1/4"], ["1/4", "3/4"]], [[0, 0], [1, 2]]
LONG = mo.MarkovTypes([SALE], [STAY], [HALF], horizon=40)
MANY = mo.MarkovTypes([SALE, SALE], [STAY, STAY], [HALF, HALF], horizon=40)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("env", [ONE, TWO, CHAIN, LONG, MANY], ids=["one", "two", "chain", "long", "many"])
def test_auto_never_takes_what_does_not_apply(env, exact):
    """The method for myopic agents was once taken for long chains of agents who look ahead: 60 instead of 69."""
    for ic, ir, objective in (
        (mo.BayesianIC(), mo.Interim(), mo.Revenue()),
        (mo.MyopicIC(), mo.PPIR(), mo.Revenue()),
        (mo.DIC(), mo.EPIR(), mo.Revenue()),
        (mo.DIC(), mo.Interim(), mo.Welfare()),
        (mo.PeriodicExPostIC(), mo.EPIR(), mo.Revenue()),
        (None, mo.EPIR(), mo.Revenue()),
    ):
        try:
            problem = mo.Problem(env, ic, ir, objective=objective)
        except mo.InputError:  # a constraint of the other kind of types
            continue
        chosen = choose(problem, Effort(exact=exact))
        assert chosen.applies(problem) is None, (chosen.name, problem)
        assert not exact or chosen.proves(problem), (chosen.name, problem)


def test_a_problem_is_frozen_and_planned_once():
    problem = mo.Problem(ONE)
    assert problem.plan is problem.plan
    assert problem.size is problem.plan.size
    with pytest.raises(FrozenInstanceError):
        problem.ic = ()


@pytest.mark.parametrize("env", [ONE, TWO, CHAIN], ids=["one buyer", "two", "persistent"])
@pytest.mark.parametrize("ending", [".mps", ".lp", ""])
def test_what_is_written_has_the_optimum_in_money(env, ending, tmp_path):
    problem = mo.Problem(env)
    path = tmp_path / f"program{ending}"
    problem.write(path)
    solver = highspy.Highs()
    solver.silent()
    read = path if ending else path.rename(tmp_path / "program.mps")
    assert solver.readModel(str(read)) == highspy.HighsStatus.kOk
    solver.run()
    value = mo.optimum(env).value
    assert solver.getInfo().objective_function_value == pytest.approx(value, abs=1e-7)
    handed = problem.to_highs()
    handed.run()
    assert handed.getInfo().objective_function_value == pytest.approx(value, abs=1e-7)
    assert float(problem.certify().value) == pytest.approx(value, abs=1e-9)


def test_payments_are_variables_of_the_cvxpy_model():
    """Nobody pays more than 1.3: with two periods and types 1 and 2 revenue falls from 2.25 to 2.2."""
    model = mo.Problem(mo.IndependentTypes.iid([1, 2], HALF, horizon=2)).to_cvxpy()
    assert model.solve(solver="HIGHS").revenue == pytest.approx(2.25)
    assert model.solve([payment <= 1.3 for payment in model.payment], solver="HIGHS").revenue == pytest.approx(2.2)


@pytest.mark.parametrize("env", [ONE, TWO, CHAIN], ids=["one buyer", "two", "persistent"])
def test_every_method_solves_or_says_why_not(env):
    problem = mo.Problem(env)
    value, costs = problem.solve().value, predicted(problem)
    assert list(costs) == [method.name for method in METHODS]
    for method in METHODS:
        if (reason := method.applies(problem)) is None:
            best = problem.solve(method.name)
            assert best.bound.lower - 1e-9 <= value <= best.bound.upper + 1e-9
            assert best.bound.upper - best.bound.lower <= (costs[method.name].width + 1e-7) * max(1.0, value)
        else:
            assert costs[method.name] == reason
            with pytest.raises(mo.InputError, match=re.escape(f'method "{method.name}" {reason}; use another')):
                problem.solve(method.name)


def test_the_closed_form_is_for_interim_participation():
    problem = mo.Problem(ONE, ir="interim")
    assert problem.solve("closed-form").value == pytest.approx(problem.solve("simplex").value, abs=1e-8)
    long = mo.Problem(mo.IndependentTypes.iid([1, 2, 4], ["0.3", "0.4", "0.3"], horizon=30), ir="interim")
    assert choose(long).name == "closed-form"


FITTED = object.__new__(Fit)
object.__setattr__(FITTED, "environment", ONE)
WRONG = {
    "fit": (lambda: mo.optimum(FITTED), r"Fit is not an environment; write its .environment"),
    "scenarios": (
        lambda: mo.optimum(mo.load("mirrokni-2020/maximin-equal-revenue-5")),
        r"no single optimum; write mo.maximin\(scenarios\)",
    ),
    "path": (lambda: mo.optimum("model.toml"), r"write mo.load\('model.toml'\)"),
    "number": (lambda: mo.formats.plan(3), "int is not an environment; give one of IndependentTypes, MarkovTypes"),
    "name": (lambda: mo.optimum(ONE, ic="dicc"), "'dicc' is not a constraint; did you mean 'dic'. known: dic, ex-post"),
    "role": (lambda: mo.optimum(ONE, ir="dic"), "ir=dic: this is an ic constraint; give it as ic="),
    "constraint": (lambda: mo.verify(mo.optimum(ONE).mechanism, 3), "constraints=3 is not a constraint; write"),
    "objective": (lambda: mo.optimum(ONE, objective=3), "objective=3 is not an objective; write for example"),
    "to_highs": (
        lambda: mo.formats.to_highs(mo.formats.plan(ONE)),
        r"takes a LinearProgram and not Plan; write problem",
    ),
    "to_cvxpy": (lambda: mo.formats.to_cvxpy(ONE), "to_cvxpy takes a plan and not IndependentTypes; write problem"),
    "compile": (lambda: mo.formats.compile_program(ONE), "compile_program takes a plan and not IndependentTypes"),
    "solve_program": (
        lambda: mo.formats.solve_program(mo.formats.plan(ONE)),
        r"LinearProgram and not Plan; write problem.solve\(\)",
    ),
    "relaxed": (lambda: mo.relaxed_optimum(ONE), "relaxed_optimum is for MarkovTypes"),
    "maximin": (lambda: mo.maximin(ONE), "maximin takes Scenarios and not IndependentTypes"),
    "promised": (
        lambda: mo.mechanisms.promised_optimum(CHAIN),
        "takes IndependentTypes and not MarkovTypes; use optimum",
    ),
    "to_sequence": (
        lambda: mo.dynamic_pivot(CHAIN).to_mechanism().to_sequence(3),
        "to_sequence takes a PublicTree and not int",
    ),
    "ending": (lambda: mo.Problem(ONE).write("program.xls"), "program.xls: programs are written to files that end in"),
    "subject to": (lambda: mo.Problem(ONE, subject_to=[3]), "subject_to=3 is not a constraint on payments"),
    "proof": (
        lambda: mo.optimum(ONE, ir="interim", method="promised", exact=True),
        "use another method: auto, program, simplex, ipx",
    ),
}


@pytest.mark.parametrize(("call", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_told_the_right_call(call, words):
    with pytest.raises(mo.InputError, match=words):
        call()


def test_a_program_that_does_not_fit_is_told_what_would_work():
    problem = mo.Problem(mo.IndependentTypes.iid(np.arange(1, 9), ["1/8"] * 8, horizon=4))
    with pytest.raises(mo.errors.LimitError, match=r'or take method="promised".*or take method="dual"'):
        problem.solve("simplex", max_bytes=1000.0)
