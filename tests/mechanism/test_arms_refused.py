"""Mechanisms on arms that are not: no checker may be asked about numbers that are none."""

import dataclasses

import numpy as np
import pytest

import mechopt as mo
from mechopt.mechanisms import arms_pivot
from tests.closedform.pivot.test_arms import environment_of, random_arms

PIVOT = arms_pivot(environment_of(*random_arms(3, 2, 3)))


def changed(rows, place, number):
    copies = [np.array(row, dtype=float) for row in rows]
    copies[1].flat[place] = number
    return tuple(copies)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["index", "levels", "waiting", "base", "start"])
def test_numbers_that_are_not_finite(name, number):
    """Of an index that is not a number, truth was said to be an equilibrium and worth 0 to all."""
    part = getattr(PIVOT, name)
    new = np.array([part[0], number]) if name in ("base", "start") else changed(part, -1, number)
    with pytest.raises(mo.InputError, match=rf"{name}\[1\]: has an entry that is not finite"):
        dataclasses.replace(PIVOT, **{name: new})
    with pytest.raises(mo.InputError, match="floor: is"):
        dataclasses.replace(PIVOT, floor=number)


def test_levels_in_the_wrong_order():
    """Prices are looked up in them by bisection: the answer was that of other prices."""
    flipped = tuple(np.flip(row) for row in PIVOT.levels)
    with pytest.raises(mo.InputError, match=r"levels\[0\]: do not ascend"):
        dataclasses.replace(PIVOT, levels=flipped)
    twice = (PIVOT.levels[0], np.repeat(PIVOT.levels[1][:1], len(PIVOT.levels[1])))
    with pytest.raises(mo.InputError, match=r"levels\[1\]: do not ascend"):
        dataclasses.replace(PIVOT, levels=twice)


@pytest.mark.parametrize("name", ["serving", "index", "levels", "waiting", "base", "start"])
def test_an_arm_too_few(name):
    with pytest.raises(mo.InputError, match=f"{name}: has 1 entries"):
        dataclasses.replace(PIVOT, **{name: getattr(PIVOT, name)[:1]})


@pytest.mark.parametrize("name", ["index", "waiting"])
def test_tables_of_another_shape(name):
    part = getattr(PIVOT, name)
    with pytest.raises(mo.InputError, match=rf"{name}\[0\]: has shape"):
        dataclasses.replace(PIVOT, **{name: (part[0][:-1], part[1])})


@pytest.mark.parametrize("change", [{"serving": (1, 1)}, {"serving": (1, 3)}, {"serving": (-1, 1)}, {"idling": 1}])
def test_actions_that_serve_nobody_or_two(change):
    with pytest.raises(mo.InputError, match="different ones, 0 to 2"):
        dataclasses.replace(PIVOT, **change)


def test_an_environment_that_has_no_arms():
    """The checks go arm by arm: where somebody else moves, or gains, they are about another mechanism."""
    env = PIVOT.environment
    cost, chances = env.costs[0].tolist(), [[1 / 3] * 3] * 2
    kernels, values = ([np.array(row[0]) for row in part] for part in (env.kernel, env.values))
    for a in (0, 1):  # idling, and serving agent 0
        moved, worth = ([part.copy() for part in row] for row in (kernels, values))
        moved[1][a] = 1 / 3
        worth[1][a, 0] = 1
        for k, v in ((moved, values), (kernels, worth)):
            other = mo.MarkovTypes(v, k, chances, cost=cost, discount=env.discount)
            with pytest.raises(mo.InputError, match=rf"actions\[{a}\]: moves agent 1"):
                dataclasses.replace(PIVOT, environment=other)
    short = mo.MarkovTypes(values, kernels, chances, cost=cost, discount=env.discount, horizon=2)
    with pytest.raises(mo.InputError, match="environment: has 2 periods"):
        dataclasses.replace(PIVOT, environment=short)
