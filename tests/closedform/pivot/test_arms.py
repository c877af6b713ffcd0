"""Arms against the joint chain, and the bound with initial types against the enumeration of profiles."""

from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.closedform.pivot.arms import Arms
from mechopt.closedform.pivot.arms_of import virtual_bound_of_arms
from mechopt.mechanisms import arms
from tests.verification.test_virtual import MODEL, random_pivot


def random_arms(seed, agents, states, idle=True):
    rng = np.random.default_rng(seed)
    kernels = [rng.dirichlet(np.ones(states), size=states) for _ in range(agents)]
    values = [rng.uniform(0, 2, states) for _ in range(agents)]
    costs = rng.uniform(0, 0.6, agents) if seed % 5 else rng.uniform(-0.6, 0.6, agents)
    return kernels, values, costs, rng.uniform(0.3, 0.95), idle


def environment_of(kernels, values, costs, discount, idle):
    n, first = len(kernels), int(idle)
    table, chain = [], []
    for i in range(n):
        size = len(values[i])
        rows = np.zeros((n + first, size))
        moves = np.array([np.eye(size)] * (n + first))
        rows[first + i], moves[first + i] = values[i], kernels[i]
        table.append(rows)
        chain.append(moves)
    distributions = [np.full(len(v), 1 / len(v)) for v in values]
    return mo.MarkovTypes(table, chain, distributions, cost=[0] * first + list(costs), discount=discount)


def joint_rewards(parts, found):
    """R_i and N_i by linear equations on the joint chain, under the rule of the highest index."""
    kernels, values, costs, d, _ = parts
    states = list(product(*(range(len(v)) for v in values)))
    moves, flows = np.zeros((len(states), len(states))), np.zeros((2, len(values), len(states)))
    for n, state in enumerate(states):
        served = found.served(state)
        if served is None:
            moves[n, n] = 1
            continue
        flows[:, served, n] = values[served][state[served]] - costs[served], 1
        for z, p in enumerate(kernels[served][state[served]]):
            moves[n, states.index(tuple(z if j == served else s for j, s in enumerate(state)))] += p
    rewards, services = np.linalg.solve(
        np.eye(len(states)) - d * moves, np.moveaxis(flows, 2, 0).reshape(len(states), -1)
    ).T.reshape(flows.shape)
    for n, state in enumerate(states):
        assert found.rewards(state) == pytest.approx(rewards[:, n], abs=1e-8)
        assert found.services(state) == pytest.approx(services[:, n], abs=1e-8)
        assert found.rewards(state).sum() == pytest.approx(found.welfare(state), abs=1e-8)


def test_equal_arms_are_served_in_their_order():
    same = np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([1.0, 0.0])
    parts = [same[0]] * 3, [same[1]] * 3, np.zeros(3), 0.8, True
    joint_rewards(parts, arms(environment_of(*parts)))


def agrees(seed):
    agents, idle = 2 + seed % 2, seed % 4 < 2
    parts = random_arms(seed, agents, 3, idle)
    env = environment_of(*parts)
    found, joint = arms(env), mo.dynamic_pivot(env)
    efficient = mo.efficient(env)
    for state in product(range(3), repeat=agents):
        assert found.welfare(state) == pytest.approx(efficient.welfare[state], abs=1e-8)
        without = found.welfare_without(state)
        for i in range(agents):
            others = tuple(s for j, s in enumerate(state) if j != i)
            assert without[i] == pytest.approx(efficient.welfare_without[i][others], abs=1e-8)
        paid = [joint.transfer[i][state] for i in range(agents)]
        assert found.payment(state) == pytest.approx(paid, abs=1e-8)
    joint_rewards(parts, found)
    distributions = env.initial
    assert found.expected_welfare(distributions) == pytest.approx(env.first_best, abs=1e-8)
    assert found.revenue(distributions) == pytest.approx(joint.to_mechanism().revenue, abs=1e-7)


def test_arms_are_the_joint_chain():
    for seed in range(10):
        agrees(seed)


@pytest.mark.slow
def test_arms_are_the_joint_chain_in_bulk():
    for seed in range(100, 220):
        agrees(seed)


def bound_of(pivot):
    env = pivot.environment
    types, first = [], []
    for i in range(env.agents):
        own = []
        for k, f in enumerate(env.initial_probabilities[i]):
            virtual = pivot.virtual[i].flow(k, env.value_tables[i][:, k])[i + 1] - env.cost[i + 1]
            excluded = pivot.virtual[i].multiplicative and pivot.virtual[i].virtual_level[k] <= 0
            own.append((float(f), env.signal_kernel[i][i + 1], np.minimum(virtual, -1.0) if excluded else virtual))
        types.append(own)
        first.append(env.signal_initial[i])
    return virtual_bound_of_arms(types, first, env.discount)


def standing_still(seed):
    """The instance with only the served agent's signal moving."""
    source = random_pivot(seed).environment
    kernels = [np.array([np.eye(2)] * 3) for _ in range(2)]
    for i in range(2):
        kernels[i][i + 1] = source.signal_kernel[i][i + 1]
    values = [np.asarray(part) for part in source.initial_values]
    return mo.virtual_pivot(
        mo.SeparableTypes(
            values,
            source.initial_probabilities,
            [source.base[i] for i in range(2)],
            source.signal_initial,
            kernels,
            cost=source.cost,
            discount=source.discount,
        ),
        ironed=True,
    )


def test_the_bound_needs_no_profiles():
    assert bound_of(mo.virtual_pivot(mo.loads(MODEL))) == pytest.approx(32.915128052, abs=1e-8)
    for seed in range(20):
        pivot = standing_still(seed)
        assert bound_of(pivot) == pytest.approx(pivot.bound, abs=1e-8)


def test_many_arms():
    kernels, values, costs, _, _ = random_arms(1, 50, 30)
    large = Arms(tuple(kernels), tuple(values), tuple(costs), 0.9)
    state = [0] * 50
    without = large.welfare_without(state)
    assert (without <= large.welfare(state) + 1e-9).all()
    served = large.served(state)
    assert without[served] == pytest.approx(
        Arms(
            *(tuple(part for i, part in enumerate(parts) if i != served) for parts in (kernels, values, costs)), 0.9
        ).welfare([0] * 49),
        abs=1e-8,
    )
    # welfare is that of serving the best now and going on
    kernel, later = kernels[served][0], 0.0
    for to, chance in enumerate(kernel):
        later += chance * large.welfare([to if i == served else s for i, s in enumerate(state)])
    assert large.welfare(state) == pytest.approx(values[served][0] - costs[served] + 0.9 * later, abs=1e-8)


def test_what_are_no_arms():
    env = mo.MarkovTypes(
        [[[0, 0], [1, 2]], [[0, 0], [0, 1]]],
        [[["1/2", "1/2"]] * 2] * 2,
        [["1/2", "1/2"]] * 2,
        discount="1/2",
    )
    with pytest.raises(mo.InputError, match="let the others stand still"):
        arms(env)
    with pytest.raises(mo.InputError, match="arm 0 has no such state"):
        arms(mo.families.bandits([[3], [2]], [[[1]], [[1]]], [[1], [1]], "9/10")).welfare((1, 0))


def test_licensing_and_scheduling_are_arms():
    # no action serves nobody: without the agent who is served, her action is a way to idle
    tasks = arms(mo.families.scheduling([5, 3, 1], "1/2"))
    assert tasks.welfare((0, 0, 0)) == pytest.approx(5 + 3 / 2 + 1 / 4)
    assert tasks.payment((0, 0, 0)).tolist() == pytest.approx([7 / 4, 0, 0])  # 3 - (3 - 1) / 2 - 1 / 4
    assert tasks.rewards((0, 0, 0)).tolist() == pytest.approx([5, 3 / 2, 1 / 4])
    env = mo.families.licensing([(1, 1), (2, 1)], 3, "9/10")
    found, joint = arms(env), mo.dynamic_pivot(env)
    for state in np.ndindex(joint.policy.shape):
        if not joint.tied[state]:
            paid = [joint.transfer[i][state] for i in range(2)]
            assert found.payment(state) == pytest.approx(paid, abs=1e-8)
            # the winner pays the other one's posterior mean (section 5)
            winner = int(joint.policy[state])
            assert paid[winner] == pytest.approx(env.values[1 - winner][0][1 - winner, state[1 - winner]], abs=1e-8)


def test_one_who_is_hurt_by_being_served_is_refused():
    parts = [np.eye(1)] * 2, [np.array([-1.0]), np.array([1.0])], np.zeros(2), 0.5, False
    with pytest.raises(mo.InputError, match="served at a loss to herself"):
        arms(environment_of(*parts)).payment((0, 0))
