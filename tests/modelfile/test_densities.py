"""Signals on a grid of [0, 1] by expressions: what is read is what a grid in plain loops gives; every fault."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.families.signal_grid import signal_grid
from mechopt.modelfile.loading import schema

HEAD = """
kind = "interdependent"
horizon = "infinite"
discount = "9/10"
actions = ["to A", "to B"]
"""
GRID = """
[densities]
points = 3
density = "(1 + (2*x_2 - 1)*(2*y_1 - 1)/2) * (1 + (2*x_1 - 1)*(2*y_2 - 1)/2)"
"""
AGENTS = """
[[agents]]
values = ["x_1 + x_2", "0"]

[[agents]]
values = ["0", "x_2 + x_1/2"]
"""
GOOD = HEAD + GRID + AGENTS


def faults(text):
    with pytest.raises(mo.InputError) as error:
        mo.loads(text)
    return {fault.where: str(fault) for fault in error.value.faults}


def test_the_table_is_that_of_signal_grid():
    env = mo.loads(GOOD)
    grid = signal_grid(
        lambda a, x, y: (1 + (2 * x[1] - 1) * (2 * y[0] - 1) / 2) * (1 + (2 * x[0] - 1) * (2 * y[1] - 1) / 2), points=3
    )
    np.testing.assert_allclose(env.kernel[0][1], grid.kernel[0], atol=1e-15)
    np.testing.assert_allclose(env.initial, grid.initial, atol=1e-15)
    assert env.types[0][0] == ("1/6", "1/2", "5/6") and env.exact is not None
    assert env.exact.values[1][0][1, 2, 0] == Fraction(1, 6) + Fraction(5, 12)
    assert mo.loads(env.to_toml()) == env


def test_densities_by_action_points_by_agent_and_the_first_density():
    text = (
        HEAD
        + AGENTS
        + """
[densities]
points = [[0, "1/4", 1], 2]
density = ["2*y_1 * 1", "1 + (x_1 - 1/2)*(2*y_2 - 1)"]
initial = "2*x_2"
max_defect = "1/2"
"""
    )
    env = mo.loads(text)
    assert env.shape == ((3, 2),) and env.controlled(0)
    cells = [[Fraction(1, 8), Fraction(1, 2), Fraction(3, 8)], [Fraction(1, 2)] * 2]
    points = [[Fraction(0), Fraction(1, 4), Fraction(1)], [Fraction(1, 4), Fraction(3, 4)]]
    for x, y in np.ndindex(3, 2):
        first = {(a, b): 2 * points[0][a] * cells[0][a] * cells[1][b] for a, b in np.ndindex(3, 2)}
        second = {
            (a, b): (1 + (points[0][x] - Fraction(1, 2)) * (2 * points[1][b] - 1)) * cells[0][a] * cells[1][b]
            for a, b in np.ndindex(3, 2)
        }
        for action, mass in enumerate((first, second)):
            for place, part in mass.items():
                assert env.exact.kernel[0][(action, x, y, *place)] == part / sum(mass.values())
    weights = {(a, b): 2 * points[1][b] * cells[0][a] * cells[1][b] for a, b in np.ndindex(3, 2)}
    assert env.exact.initial[2, 1] == weights[2, 1] / sum(weights.values())


def test_three_agents_and_a_finite_horizon():
    text = """
kind = "interdependent"
horizon = 2
actions = ["none", "sell"]
[densities]
points = 2
density = "1 + (x_1 + x_2 + x_3 - 3/2)*(y_3 - 1/2)"
[[agents]]
values = [0, "x_1"]
[[agents]]
values = [0, "x_2*x_3"]
[[agents]]
types = ["bad", "good"]
values = [0, "x_3 - 1/4"]
"""
    env = mo.loads(text)
    assert env.shape == ((2, 2, 2),) * 2 and env.types[2][0] == ("bad", "good")
    assert mo.contingent_transfers(env, "any", "constant").max_abs >= 0


def test_parameters_stand_in_expressions_of_signals():
    text = GOOD.replace("(2*y_1 - 1)/2)", "(2*y_1 - 1)*h)") + '\n[parameters]\nh = ["0", "1"]\n'
    assert mo.loads(text, at="h=1/2") == mo.loads(GOOD)
    assert mo.loads(text, at="h=1/4") != mo.loads(GOOD)


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (("points = 3\n", ""), "densities.points", "is missing"),
        (("points = 3", "points = 0"), "densities.points", "increasing points"),
        (("points = 3", 'points = ["1/2", "1/4"]'), "densities.points", "increasing points"),
        (("points = 3", "points = [2, 3, 2]"), "densities.points", "3 entries for 2 agents"),
        (("points = 3", "points = 60"), "densities.points", "more than"),
        (("points = 3", "point = 3"), "densities.point", "is not a key"),
        (("(2*y_1 - 1)/2)", "(2*y_1 - 1)*3)"), "densities.density[0]", "at least 0"),
        (("(2*y_1 - 1)/2)", "(2*z - 1)/2)"), "densities.density[0]", "z"),
        (("(2*y_1 - 1)/2)", "(2*y_1 - 1)/2"), "densities.density[0]", "densities.density"),
        (('density = "(1', 'density = "2*(1'), "densities.density[0]", "has the mass 2"),
        (('["x_1 + x_2", "0"]', '["x_1 + x_3", "0"]'), "agents[0].values[0]", "x_3"),
        (('["x_1 + x_2", "0"]', '"x_1"'), "agents[0].values", "is not a list"),
        (("[densities]", "initial = [[1, 0], [0, 0]]\n[densities]"), "initial", "beside [densities]"),
    ],
)
def test_faults(change, where, what):
    text = GOOD.replace(*change)
    assert text != GOOD and what in faults(text)[where]


def test_faults_of_the_tables_that_it_makes():
    assert "agents[0].values" in faults(GOOD.replace('["x_1 + x_2", "0"]', '["x_1 + x_2"]'))
    assert "densities" in faults(HEAD + "densities = 3\n" + AGENTS)


def test_the_schema_knows_it():
    jsonschema = pytest.importorskip("jsonschema")
    import tomllib

    jsonschema.validate(tomllib.loads(GOOD), schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(HEAD + AGENTS), schema())
