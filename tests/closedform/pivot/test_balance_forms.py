"""Balance of mechanisms of every form: the same gains at every history, the same first utilities, no budget."""

from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.mechanisms import balance

MODEL = """
kind = "independent"
horizon = 2
discount = "9/10"
cost = ["1/4", "1/2"]
[[buyers]]
values = [1, 2]
probabilities = ["1/3", "2/3"]
[[buyers]]
values = [1, 3, 4]
probabilities = ["1/2", "1/4", "1/4"]
"""


def random_reports(seed):
    """Any mechanism for two or three buyers, with positive revenue."""
    rng, agents = np.random.default_rng(seed), 2 + seed % 2
    periods = 1 + seed % 3 if agents == 2 else 1 + seed % 2
    sizes = [int(k) for k in rng.integers(1, 4, agents)]
    laws = [rng.integers(1, 5, size) for size in sizes]
    buyers = "".join(
        f"[[buyers]]\nvalues = {sorted(rng.choice(np.arange(1, 9), size, replace=False).tolist())}\n"
        f"probabilities = {[f'{p}/{law.sum()}' for p in law]}\n"
        for size, law in zip(sizes, laws, strict=True)
    )
    env = mo.loads(f'kind = "independent"\nhorizon = {periods}\ndiscount = "4/5"\ncost = "1/3"\n{buyers}')
    shapes = mo.repeated_second_price(env).to_mechanism().allocation
    given = [rng.dirichlet(np.ones(agents + 1), size=part.shape[1:])[..., :agents] for part in shapes]
    allocation = [np.moveaxis(part, -1, 0) for part in given]
    payment = [rng.uniform(0, 4, part.shape) + 1 for part in shapes]
    return mo.Mechanism(env, allocation, payment)


def first_utilities(m, i):
    """Truthful utility by first type, in plain loops over all paths."""
    env, found = m.environment, {}
    profiles = [list(product(*map(range, shape))) for shape in env.shape]

    def walk(t, h):
        if t == env.horizon:
            return {}
        total = {}
        for place, profile in enumerate(profiles[t]):
            chance = np.prod([env.probabilities[j][t][k] for j, k in enumerate(profile)])
            now = env.values[i][t][profile[i]] * m.allocation[t][(i, h, *profile)] - m.payment[t][(i, h, *profile)]
            later = sum(walk(t + 1, h * len(profiles[t]) + place).values())
            total[profile[i]] = total.get(profile[i], 0.0) + chance * (now + env.discount * later)
        return total

    for k, value in walk(0, 0).items():
        found[k] = value / env.probabilities[i][0][k]
    return found


def agrees(seed):
    m = random_reports(seed)
    env, n = m.environment, m.environment.agents
    shared = balance(m)
    for t in range(env.horizon):
        sold = m.allocation[t].sum(axis=0)
        assert shared.payment[t].sum(axis=0) == pytest.approx(env.cost[t] * sold, abs=1e-10)
    for i in range(n):
        before, after = first_utilities(m, i), first_utilities(shared, i)
        assert after == pytest.approx({k: u + m.revenue / n for k, u in before.items()}, abs=1e-9)
    one, other = mo.verify(m, "dic")["dic"], mo.verify(shared, "dic")["dic"]
    assert one.status == other.status
    assert one.gain == pytest.approx(other.gain, abs=1e-9)


def test_balance_over_reports():
    for seed in range(12):
        agrees(seed)


@pytest.mark.slow
def test_balance_over_reports_in_bulk():
    for seed in range(100, 220):
        agrees(seed)


def test_closed_forms_and_optima_of_independent_types():
    env = mo.loads(MODEL)
    for m in (mo.optimum(env, "dic", "interim").mechanism, mo.repeated_second_price(env), mo.repeated_myerson(env)):
        shared = balance(m)
        assert mo.verify(shared, ["dic", "interim"]).holds
        assert shared.revenue == pytest.approx(0, abs=1e-9)
        assert shared.welfare == pytest.approx(m.welfare, abs=1e-9)


def separable(horizon):
    half = [["1/2", "1/2"]] * 2
    base = [[[0, 0], [1, 2], [0, 0]], [[0, 0], [0, 0], [1, "3/2"]]]
    move = [["7/10", "3/10"], ["2/5", "3/5"]]
    return mo.SeparableTypes(
        [[1, 2], [1, 3]], half, base, half, [move] * 2, cost=[0, "1/2", "1/2"], discount="9/10", horizon=horizon
    )


def test_mechanisms_that_can_be_written_out():
    for pivot in (mo.virtual_pivot(separable(2)), mo.dynamic_pivot(separable(2))):
        shared = balance(pivot)
        assert mo.verify(shared, "bayesian").holds == mo.verify(pivot.to_mechanism(), "bayesian").holds
        assert shared.revenue == pytest.approx(0, abs=1e-9)
    arms = mo.mechanisms.arms_pivot(mo.families.licensing([(1, 1), (1, 2)], 2, "1/2"))
    shared = balance(arms)
    assert mo.verify(shared, ["bayesian", "interim"]).holds
    assert shared.budget == pytest.approx(0, abs=1e-9)
    assert balance(shared) is shared


def test_a_dynamic_pivot_after_contracting_is_balanced_in_its_allocation_periods():
    pivot = mo.dynamic_pivot(separable("infinite")).to_mechanism()
    shared = balance(pivot)
    assert mo.verify(shared).holds
    assert shared.budget == pytest.approx(0, abs=1e-8)
    given = pivot.allocation.revenue / 2
    assert shared.utilities == pytest.approx([u + given for u in pivot.allocation.utilities], abs=1e-8)


def test_what_is_refused():
    with pytest.raises(mo.InputError, match="depends on the reports at contracting"):
        balance(mo.virtual_pivot(separable("infinite")))
    loss = random_reports(0)
    with pytest.raises(mo.InputError, match="agents receive more than they pay"):
        balance(mo.Mechanism(loss.environment, loss.allocation, [part - 9 for part in loss.payment]))
    one = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    with pytest.raises(mo.InputError, match="at least 2"):
        balance(mo.optimum(one, "dic", "epir").mechanism)
