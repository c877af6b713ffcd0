"""The virtual pivot: bound, profit, payments and interval dominance, by hand and against independent programs."""

import dataclasses
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mechopt.closedform.pivot.efficient import efficient
from mechopt.closedform.virtual.pivot import virtual_bound, virtual_pivot
from mechopt.core.errors import InputError, LimitError
from mechopt.environment.separable import SeparableTypes
from mechopt.solve.optimum import relaxed_optimum
from mechopt.solve.solution import Status
from tests.closedform.separable_programs import optimum, random_separable

THIRD, HALF = ["1/3"] * 3, ["1/2", "1/2"]
SINGLE = {
    "multiplicative-one-period": (["multiplicative"], (3,), (2,), 3, 1),
    "multiplicative-two-periods": (["multiplicative"], (3,), (2,), 2, 2),
    "additive-one-period": (["additive"], (3,), (3,), 4, 1),
    "additive-two-periods": (["additive"], (2,), (3,), 2, 2),
    "four-types": (["multiplicative"], (4,), (3,), 2, 1),
}
SEVERAL = {
    "two-multiplicative": (["multiplicative"] * 2, (2, 3), (3, 2), 3, 2),
    "two-additive": (["additive"] * 2, (3, 2), (1, 2), 2, 2),
    "one-of-each": (["multiplicative", "additive"], (2, 3), (2, 2), 4, 3),
    "three-agents": (["multiplicative", "additive", "multiplicative"], (2, 1, 2), (2, 2, 1), 2, 1),
    "two-agents-for-ever": (["additive", "multiplicative"], (2, 2), (2, 3), 3, "infinite"),
    "one-agent-for-ever": (["multiplicative"], (4,), (5,), 3, "infinite"),
}


def one_buyer(**changed):
    """Types 1, 2, 3 and two signals, all even: h = (2, 1, 0), L = (-1, 1, 3), alpha = (-1, 1/2, 1)."""
    given = {
        "initial_values": [[1, 2, 3]],
        "initial_probabilities": [THIRD],
        "base": [[[0, 0], [1, 2]]],
        "signal_initial": [HALF],
        "cost": [0, "3/4"],
        "horizon": 1,
    }
    return SeparableTypes(**(given | changed))


def test_one_buyer_by_hand():
    # L B at types 2 and 3 is (1, 2) and (3, 6), above the cost 3/4; Bbar = 3/2. V = 3 and 9/2, U = (0, 0, 3/2).
    # Prices (3/4) / alpha are 3/2 and 3/4, always paid: M = 3 - 0 - 3/2 and 9/2 - 3/2 - 3/4.
    # Bound: ((3/2 - 3/4) + (9/2 - 3/4)) / 3.
    pivot = virtual_pivot(one_buyer())
    assert pivot.weights[0].tolist() == [-1, 0.5, 1]
    assert pivot.included[:, 0].tolist() == [False, True, True]
    assert pivot.bound == pytest.approx(1.5, abs=1e-14)
    assert pivot.profit == pytest.approx(1.5, abs=1e-14)
    assert pivot.slope[0].tolist() == [0, 1.5, 1.5]
    assert pivot.utility[0].tolist() == [0, 0, 1.5]
    assert pivot.upfront[0].tolist() == [0, 1.5, 2.25]
    assert pivot.menu == ((1.5, 1.5), (0.75, 2.25))
    assert pivot.payment(0, (1,))[0].tolist() == [1.5, 1.5]
    assert (pivot.regime, pivot.contracting_gain) == ("a", 0.0)
    assert pivot.welfare == pytest.approx((3 + 4.5) / 3 - 0.5)


def test_endless_periods_of_fresh_signals_are_worth_their_geometric_sum():
    # each period is the one above; sum over t >= 1 of 2**-t is 1
    pivot = virtual_pivot(one_buyer(horizon="infinite", discount="1/2", signal_kernel=[[HALF, HALF]]))
    assert pivot.bound == pytest.approx(1.5, abs=1e-12)
    assert pivot.profit == pytest.approx(1.5, abs=1e-12)
    # the price is of the period; upfront payments are what was paid at once before
    np.testing.assert_allclose([c.price for c in pivot.menu], [1.5, 0.75], rtol=1e-12)
    np.testing.assert_allclose([c.upfront for c in pivot.menu], [1.5, 2.25], rtol=1e-12)


def test_ironing_where_virtual_levels_fall():
    # types 3, 4, 5 at 1/2, 1/10, 2/5: h = (1, 4, 0), L = (2, 0, 5); types 3 and 4 pool at (2/2 + 0) / (3/5) = 5/3.
    # At cost 9/5 the published policy sells to types 3 and 5: 1/2 1/5 + 2/5 16/5 = 1.38, which no mechanism earns;
    # ironed to type 5 only, 1.28: the best posted price, 5.
    env = SeparableTypes([[3, 4, 5]], [[0.5, 0.1, 0.4]], [[[0], [1]]], [[1]], cost=[0, "9/5"], horizon=1)
    published, ironed = virtual_pivot(env), virtual_pivot(env, ironed=True)
    assert published.weights[0] == pytest.approx([2 / 3, 0, 1])
    assert published.bound == pytest.approx(1.38)
    assert (published.regular, published.regime) == (False, "c")
    assert "no mechanism earns more than their ironed bound 1.28" in published.diagnosis.reason
    assert ironed.weights[0] == pytest.approx([5 / 9, 5 / 12, 1])
    assert ironed.profit == ironed.bound == published.ironed_bound == pytest.approx(1.28)
    # types 3 and 4 do not buy at 9/5 over 5/9 and 5/12, but type 5 would: they must be offered nothing
    assert ironed.regime == "b"
    assert ironed.diagnosis.menu == ((np.inf, 0), (5, 0))
    assert optimum(env) == pytest.approx(1.28)


def test_lowest_level_zero_counts_by_its_virtual_level_alone():
    # levels 0 and 1: L = (0 - 1, 1), so that alpha is minus infinity and type 0 excluded; 1/2 E[B] = 3/4
    env = SeparableTypes([[0, 1]], [HALF], [[[0, 0], [1, 2]]], [HALF], horizon=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pivot = virtual_pivot(env)
        assert pivot.contracting_gain == 0
    assert pivot.weights[0].tolist() == [-np.inf, 1]
    assert pivot.profit == pivot.bound == 0.75


def test_an_additive_agent_is_left_out_where_her_virtual_flow_is_negative():
    # one action: s - 1/2 with s = 1, 3; L = (1 - 2, 3): phi = -3/2 and 5/2; profit 5/4, all of type 3's surplus
    env = SeparableTypes([[1, 3]], [HALF], [[["-1/2"]]], [[1]], form="additive", rate=[[1]], horizon=1)
    pivot = virtual_pivot(env)
    assert pivot.included[:, 0].tolist() == [False, True]
    assert (pivot.bound, pivot.profit, pivot.utilities) == (1.25, 1.25, (0.0,))


def test_additive_payments_carry_the_shift():
    # as above with an idle action: type 3's price is -beta = 0; a type 2 of L = 2 - 1 = 1 pays 1, and her rent upfront
    # V = 3/2, 5/2; U = (0, 1); M = 3/2 - 1 and 5/2 - 1
    env = SeparableTypes([[2, 3]], [HALF], [[[0], ["-1/2"]]], [[1]], form="additive", rate=[[0, 1]], horizon=1)
    pivot = virtual_pivot(env)
    assert pivot.bound == pytest.approx((0.5 + 2.5) / 2)
    np.testing.assert_allclose([(c.price, c.upfront) for c in pivot.menu], [(1, 0.5), (0, 1.5)])
    np.testing.assert_allclose(virtual_pivot(env).prices, [[0, 1], [0, 0]])


def test_second_bidder_pays_by_the_weights():
    # one item, bidder 0 of types 1, 2 (L = 0, 2) and bidder 1 of one type 1 (L = 1), no signals to speak of.
    # At type 2 bidder 0 wins and pays W_{-0} = 1 within, alpha being 1; her surplus of 1 is paid upfront, as she leaves
    # no rent: U_2 = Bbar_1 = 0. At type 1 she is excluded, bidder 1 wins and pays all her worth upfront.
    base = [[[0], [1], [0]], [[0], [0], [1]]]
    env = SeparableTypes([[1, 2], [1]], [HALF, [1]], base, [[1], [1]], horizon=1)
    pivot = virtual_pivot(env)
    assert pivot.included[:, 0].tolist() == [[False, True], [True, True]]
    assert pivot.payment(0, (1, 0))[0].tolist() == [[1]]
    assert pivot.upfront[0][:, 0].tolist() == [0, 1]
    assert pivot.upfront[1][:, 0].tolist() == [1, 0]
    assert pivot.bound == pivot.profit == 1.5
    assert pivot.regime == "a"


@pytest.mark.parametrize("case", [pytest.param(c, id=n) for n, c in SINGLE.items()])
@pytest.mark.parametrize("seed", range(6))
def test_bound_relaxed_and_dynamic_optimum_of_one_agent(case, seed):
    env = random_separable(*case, discount=0.9, seed=seed, null=seed % 3 > 0, grid="uniform" if seed % 2 else None)
    pivot, ironed = virtual_pivot(env), virtual_pivot(env, ironed=True)
    relaxed, dynamic = optimum(env, signals_private=False), optimum(env)
    assert ironed.bound == pytest.approx(relaxed, abs=1e-7)
    assert pivot.bound >= relaxed - 1e-8
    assert relaxed >= dynamic - 1e-8
    if pivot.regular:
        assert ironed.bound == pytest.approx(pivot.bound, abs=1e-12)
    if pivot.contracting_gain <= 1e-9:
        assert pivot.regime == "a"
        assert dynamic == pytest.approx(pivot.bound, abs=1e-7)


@pytest.mark.parametrize("ironed", [False, True], ids=["published", "ironed"])
@pytest.mark.parametrize("case", [pytest.param(c, id=n) for n, c in (SINGLE | SEVERAL).items()])
@pytest.mark.parametrize("seed", range(3))
def test_profit_is_the_bound_whether_or_not_truth_is_best(case, seed, ironed):
    pivot = virtual_pivot(random_separable(*case, discount=0.9, seed=seed, null=seed > 0), ironed)
    assert pivot.profit == pytest.approx(pivot.bound, abs=1e-9)
    assert all((part >= 0).all() for part in pivot.utility)


@pytest.mark.parametrize("name", [name for name, case in SEVERAL.items() if case[-1] != "infinite"])
@pytest.mark.parametrize("seed", range(3))
def test_histories_of_the_mechanism_give_the_same_profit_and_utilities(name, seed):
    pivot = virtual_pivot(random_separable(*SEVERAL[name], discount=0.9, seed=seed, null=seed > 0))
    mechanism = pivot.to_mechanism()
    assert mechanism.revenue == pytest.approx(pivot.profit, abs=1e-9)
    assert mechanism.utilities == pytest.approx(pivot.utilities, abs=1e-9)
    assert mechanism.welfare == pytest.approx(pivot.welfare, abs=1e-9)
    assert mechanism.welfare <= efficient(mechanism.environment).expected_welfare + 1e-9


@pytest.mark.parametrize("form", ["multiplicative", "additive"])
@pytest.mark.parametrize("seed", range(2))
def test_no_gain_from_any_report_in_the_allocation_phase(form, seed):
    """One misreport of type and signal at any history that can be come to, then truth: periodic ex post."""
    env = random_separable([form] * 2, (2, 2), (2, 1), 3, 2, discount=0.9, seed=seed)
    pivot = virtual_pivot(env)
    tree = (mechanism := pivot.to_mechanism("any")).tree
    process, choice = mechanism.process, [policy.argmax(axis=1) for policy in mechanism.policy]
    continuation = [np.zeros((env.agents, count)) for count in tree.count]
    for t in (2, 1):
        for slot in np.flatnonzero(mechanism.mass(t) > 0):
            nodes = np.flatnonzero(tree.slot[t] == slot)
            for true in range(process.profiles[t]):
                types = np.unravel_index(true, process.shape[t])
                for i in range(env.agents):
                    lies = [
                        np.ravel_multi_index([*types[:i], r, *types[i + 1 :]], process.shape[t])
                        for r in range(process.shape[t][i])
                    ]
                    worth = []
                    for lie in lies:
                        node = nodes[tree.profile[t][nodes] == lie][0]
                        action = choice[t][node]
                        fee = mechanism.payment[t][i, node].sum()
                        after = 0.0
                        if t == 1:
                            follow = tree.following(t)[node, action if tree.branches[t] > 1 else 0]
                            later = np.flatnonzero(tree.slot[2] == follow)
                            distribution = process.kernel[1][action, true]
                            after = env.discount * distribution[tree.profile[2][later]] @ continuation[2][i, later]
                        worth.append(process.values[t][i, action, true] - fee + after)
                    honest = worth[types[i]]
                    assert honest >= max(worth) - 1e-9
                    continuation[t][i, nodes[tree.profile[t][nodes] == true][0]] = honest


def scaled(env, factor):
    """All money times a factor."""
    rates = [None if rate is None else factor * rate for rate in env.rate]
    return dataclasses.replace(
        env,
        base=[factor * base for base in env.base],
        rate=rates,
        cost=factor * env.cost,
        exact=None,
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), name=st.sampled_from(sorted(SEVERAL)), factor=st.sampled_from([0.25, 3.0, 1000.0]))
def test_money_scales(seed, name, factor):
    env = random_separable(*SEVERAL[name], discount=0.8, seed=seed)
    pivot, other = virtual_pivot(env), virtual_pivot(scaled(env, factor))
    assert other.bound == pytest.approx(factor * pivot.bound, rel=1e-9)
    assert other.profit == pytest.approx(factor * pivot.profit, rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_agents_may_be_named_in_any_order(seed):
    order = ("two-multiplicative", "one-of-each")[seed % 2]
    env = random_separable(*SEVERAL[order], discount=0.8, seed=seed)
    keys = [field.name for field in dataclasses.fields(env)[:10]]  # those over agents, but their names
    swapped = dataclasses.replace(env, exact=None, **{key: getattr(env, key)[::-1] for key in keys})
    pivot, other = virtual_pivot(env), virtual_pivot(swapped)
    assert other.bound == pytest.approx(pivot.bound, abs=1e-10)
    assert other.utilities == pytest.approx(pivot.utilities[::-1], abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), at=st.integers(0, 2))
def test_splitting_a_type_into_two_equal_ones_changes_no_ironed_bound(seed, at):
    env = random_separable(["multiplicative"], (3,), (2,), 3, 2, discount=0.9, seed=seed)
    distribution, level = env.initial_probabilities[0], env.level[0]
    split = dataclasses.replace(
        env,
        exact=None,
        initial_values=[np.arange(4)],
        initial_probabilities=[
            np.insert(distribution, at, distribution[at] / 3) - np.eye(4)[at + 1] * distribution[at] / 3
        ],
        level=[np.insert(level, at, level[at])],
    )
    assert virtual_pivot(split, ironed=True).bound == pytest.approx(virtual_pivot(env, ironed=True).bound, abs=1e-9)


def test_correlated_signals_bound_relaxed_and_dynamic():
    # v = s1 in {1, 2}; P(high | s0 high) - P(high | s0 low) = rho = 2/5: relaxed 3/2, dynamic 3/2 - rho/2
    distribution = [["7/10", "3/10"], ["3/10", "7/10"]]
    values = [[[0, 0]] * 2, [[1, 2]] * 2]
    env = SeparableTypes([[0, 1]], [HALF], None, [distribution], form="general", general=[values], horizon=1)
    assert virtual_bound(env) == pytest.approx(1.5)
    assert optimum(env, signals_private=False) == pytest.approx(1.5)
    assert optimum(env) == pytest.approx(1.3)


def test_non_separable_values_bound_relaxed_and_dynamic():
    # s0 in {0, 1/4, ..., 1}, s1 a fair coin; s0 + 3/2 on heads, 10 s0 on tails: relaxed 9/4, dynamic 21/10
    sold = [["3/2", 0], ["7/4", "5/2"], [2, 5], ["9/4", "15/2"], ["5/2", 10]]
    types = [0, "1/4", "1/2", "3/4", 1]
    env = SeparableTypes(
        [types], [["1/5"] * 5], None, [HALF], form="general", general=[[[[0, 0]] * 5, sold]], horizon=1
    )
    assert virtual_bound(env) == pytest.approx(2.25)
    assert optimum(env, signals_private=False) == pytest.approx(2.25)
    assert optimum(env) == pytest.approx(2.1)


def test_the_bound_of_any_form_is_that_of_the_virtual_pivot_where_it_applies():
    env = one_buyer()
    same = SeparableTypes(
        [[1, 2, 3]], [THIRD], None, [HALF], form="general", general=[env.value_tables[0]], cost=env.cost, horizon=1
    )
    assert virtual_bound(env) == virtual_pivot(env).bound == pytest.approx(virtual_bound(same))


FAULTS = {
    "general": (
        {"form": "general", "general": [[[[0, 0]] * 3, [[1, 2]] * 3]], "base": None},
        "agents[0].form",
        "is general; the virtual pivot needs",
    ),
    "correlated": ({"signal_initial": [[[1, 0], HALF, HALF]]}, "agents[0].signal_initial", "depends on the initial"),
    "falling-level": ({"level": [[2, 1, 3]]}, "agents[0].level[1]", "1 is below 2 before it"),
    "negative-level": ({"level": [[-1, 1, 3]]}, "agents[0].level[0]", "is -1; in the multiplicative form"),
    "negative-value": ({"base": [[[0, 0], [-1, 2]]]}, "agents[0].base[1][0]", "is -1; in the multiplicative form"),
    "negative-rate": ({"form": "additive", "rate": [[0, -2]]}, "agents[0].rate[1]", "is -2; it must be at least 0"),
    "impossible-type": (
        {"initial_probabilities": [[0.5, 0, 0.5]]},
        "agents[0].initial.probabilities[1]",
        "is 0; leave the type out",
    ),
}


@pytest.mark.parametrize(("changed", "where", "words"), [pytest.param(*c, id=n) for n, c in FAULTS.items()])
def test_what_the_theorem_does_not_allow(changed, where, words):
    with pytest.raises(InputError) as error:
        virtual_pivot(one_buyer(**changed))
    found = {fault.where: str(fault) for fault in error.value.faults}
    assert words in found[where]


def test_too_many_profiles_are_refused():
    env = SeparableTypes([[1, 2]] * 15, [HALF] * 15, [[[0], [1]]] * 15, [[1]] * 15, horizon=1)
    with pytest.raises(LimitError, match="32,768 profiles of initial types"):
        virtual_pivot(env)


def test_a_menu_and_histories_need_what_they_need():
    two = random_separable(*SEVERAL["two-multiplicative"], discount=0.9)
    with pytest.raises(InputError, match="a menu of contracts is for one agent, not 2"):
        _ = virtual_pivot(two).menu
    endless = random_separable(*SEVERAL["one-agent-for-ever"], discount=0.9)
    with pytest.raises(InputError, match="is infinite"):
        virtual_pivot(endless).to_mechanism()


def test_unlikely_signals_are_not_dropped_by_the_solver():
    # A signal stays cold with probability 1/50,000, so that coefficients of the program are below 1e-9, which HiGHS by
    # default takes for 0: payments contingent on them then promised the whole welfare. Additive values rise with the
    # level alone, and virtual levels are ironed: the bound (8) is the relaxed optimum.
    env = SeparableTypes(
        [[1.15, 1.21, 1.35, 1.85]],
        [["1/25", "2/5", "9/20", "11/100"]],
        [[[0, 0], [0.57, 0.25], [0.72, 0.63]]],
        [["3/5", "2/5"]],
        [
            [
                [["9/10", "1/10"], ["2/5", "3/5"]],
                [["1/50000", "49999/50000"], ["3/5", "2/5"]],
                [["2/25", "23/25"], ["2/5", "3/5"]],
            ]
        ],
        form="additive",
        rate=[[0, 0.93, 0.54]],
        cost=[0, 0.47, 0.28],
        horizon=3,
        discount="9/10",
    )
    relaxed = relaxed_optimum(env)
    assert relaxed.status is Status.OPTIMAL
    assert relaxed.value == pytest.approx(virtual_pivot(env, ironed=True).bound, abs=1e-8)
