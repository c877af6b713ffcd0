"""The virtual pivot and the optimal contract in fractions equal those in floats, which are computed elsewhere."""

from fractions import Fraction
from random import Random

import pytest

import mechopt as mo
from mechopt.closedform.virtual.contract_functions import contract_profit
from mechopt.closedform.virtual.functions import (
    Separable,
    contracting_gains,
    interval_dominance,
    virtual_bound,
    virtual_pivot_of,
    virtual_profit,
)
from mechopt.core.errors import InputError


def distribution(random: Random, count: int) -> list[Fraction]:
    masses = [random.randint(1, 5) for _ in range(count)]
    return [Fraction(mass, sum(masses)) for mass in masses]


def environment(seed: str, agents: int) -> mo.SeparableTypes:
    """Types, actions and signals few enough for plain loops; both forms, signals moved by actions or not."""
    random = Random(seed)
    actions = random.choice([2, 2, 3]) if agents == 1 else 2
    levels, chances, base, first, kernel, form, rate = ([] for _ in range(7))
    for _ in range(agents):
        types, signals = (random.choice([2, 3, 4]) if agents == 1 else 2), random.choice([2, 3])
        form.append(random.choice(["multiplicative", "additive"]))
        levels.append(sorted(random.sample([Fraction(x, 2) for x in range(12)], types)))
        chances.append(distribution(random, types))
        rows = [[Fraction(random.randint(0, 8), 2) for _ in range(signals)] for _ in range(actions)]
        base.append([[0] * signals, *rows[1:]] if agents > 1 or random.random() < 0.7 else rows)
        rates = [0, *(Fraction(random.randint(0, 4), 2) for _ in range(actions - 1))]
        rate.append(rates if form[-1] == "additive" else None)
        first.append(distribution(random, signals))
        still = [distribution(random, signals) for _ in range(signals)]
        alike = random.random() < 0.5
        kernel.append(
            [still if alike else [distribution(random, signals) for _ in range(signals)] for _ in range(actions)]
        )
    cost = [0, *(Fraction(random.randint(0, 6), 2) for _ in range(actions - 1))]
    more = {"rate": rate} if any(rate) else {}
    horizon, discount = random.choice([1, 2]), random.choice([1, Fraction(9, 10)])
    return mo.SeparableTypes(
        levels,
        chances,
        base,
        first,
        kernel,
        form=form,
        level=levels,
        cost=cost,
        horizon=horizon,
        discount=discount,
        **more,
    )


def numbers(env: mo.SeparableTypes, ironed: bool) -> Separable:
    return Separable(env.exact, tuple(form == "multiplicative" for form in env.form), env.horizon, ironed)


@pytest.mark.parametrize("agents", [1, 2])
def test_bounds_gains_and_regimes_are_those_of_the_pivot(agents: int) -> None:
    for seed in range(25):
        env = environment(f"{agents} {seed}", agents)
        for ironed in (False, True):
            model, pivot = numbers(env, ironed), mo.virtual_pivot(env, ironed)
            assert float(virtual_bound(model)) == pytest.approx(pivot.bound, abs=1e-10)
            gains = contracting_gains(virtual_pivot_of(model))
            assert float(max(0, *gains)) == pytest.approx(pivot.contracting_gain, abs=1e-10)
            assert interval_dominance(model) == (pivot.regime == "a")


def test_contracts_earn_what_they_earn_or_are_refused() -> None:
    known = 0
    for seed in range(60):
        env = environment(f"contract {seed}", 1)
        try:
            profit = contract_profit(numbers(env, True))
        except InputError as error:
            assert "neither the published prices nor others" in str(error)
            continue
        known += 1
        best = mo.optimal_contract(env)
        assert best.attains and float(profit) == pytest.approx(best.profit, abs=1e-10)
    assert 40 <= known < 60


def test_what_has_no_function() -> None:
    """Types 1, 2, 3, even, signals 1/2 and 2, cost 3/5: at the published price type 3 would take type 2's contract."""
    third, half = [["1/3"] * 3], [["1/2", "1/2"]]
    env = mo.SeparableTypes([[1, 2, 3]], third, [[[0, 0], ["1/2", 2]]], half, cost=[0, "3/5"], horizon=1)
    model = numbers(env, False)
    assert not interval_dominance(model) and contract_profit(model) == virtual_bound(model) == Fraction(77, 60)
    with pytest.raises(InputError, match="gains by misreporting"):
        virtual_profit(model)
    falling = Separable(env.exact._replace(level=((3, 2, 1),)), (True,), 1)
    with pytest.raises(InputError, match="levels that do not fall"):
        virtual_bound(falling)
    two = numbers(environment("two", 2), True)
    with pytest.raises(InputError, match="for one agent"):
        contract_profit(two)
