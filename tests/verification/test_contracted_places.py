"""Mechanisms after contracting, place by place: truthful values, who is asked, verdicts; by loops in fractions."""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.to_markov import allocation_phase
from mechopt.mechanism.endless.contracted import ContractedMechanism
from mechopt.mechanism.stationary import MarkovMechanism
from mechopt.verification import contracted
from mechopt.verification.report import ConstraintCheck
from mechopt.verification.rounding import UNIT, Precision, Status
from mechopt.verification.stationary.check import Values, truthful_values, verify_markov
from tests.verification.cases import weights

INTERIM, PERIODIC, EX_POST = mo.Interim(), mo.PeriodicIR(), mo.PeriodicExPostIR()
PARTICIPATION = (INTERIM, PERIODIC, EX_POST)
SIZES = {  # initial types and signals of each agent
    "one-agent": ((2,), (3,)),
    "two-agents": ((2, 3), (3, 2)),
    "three-agents": ((2, 1, 2), (1, 2, 2)),
}


def environment(sizes, seed, discount="3/4"):
    """Any values, two actions; signals by initial type, agent 0's not; some probabilities are 0."""
    rng, (kinds, signals) = np.random.default_rng(seed), sizes
    return mo.SeparableTypes(
        [list(range(1, k + 1)) for k in kinds],
        [weights(rng, k) for k in kinds],
        signal_initial=[
            [weights(rng, z) for _ in range(k)] if j else weights(rng, z)
            for j, (k, z) in enumerate(zip(*sizes, strict=True))
        ],
        signal_kernel=[[[weights(rng, z) for _ in range(z)] for _ in range(2)] for z in signals],
        form="general",
        general=[rng.integers(-4, 9, size=(2, k, z)).tolist() for k, z in zip(*sizes, strict=True)],
        discount=discount,
    )


def paid(env, seed, scale=4, early=0):
    """Any policy and transfers, so many of them before those for ever."""
    rng, markov = np.random.default_rng(seed), allocation_phase(env)
    policy = rng.integers(2, size=markov.shape[0])
    transfer = [
        [rng.integers(-scale, scale + 1, size=markov.shape[0]) / 4 for _ in range(1 + early)] for _ in markov.shape[0]
    ]
    return ContractedMechanism(env, MarkovMechanism(markov, [policy], transfer))


def solved(rows, sides):
    """x of A x = b in fractions, by elimination."""
    rows = [[*row, side] for row, side in zip(rows, sides, strict=True)]
    for at in range(len(rows)):
        pivot = next(k for k in range(at, len(rows)) if rows[k][at])
        rows[at], rows[pivot] = rows[pivot], rows[at]
        for other in range(len(rows)):
            if other != at:
                factor = rows[other][at] / rows[at][at]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[at], strict=True)]
    return [row[-1] / row[at] for at, row in enumerate(rows)]


def pair(env, kind, z):
    return tuple(k * size + own for k, size, own in zip(kind, env.signal_shape, z, strict=True))


def raw_values(mechanism, i):
    """V of agent i at each (initial types, signals) from t = 1 on, as of t = 1."""
    env, d, found = mechanism.environment, mechanism.environment.exact.discount, {}
    transfer, agents = mechanism.allocation.transfer[i], range(mechanism.environment.agents)
    signals = list(product(*map(range, env.signal_shape)))
    for kind in product(*map(range, env.initial_shape)):
        at = {z: pair(env, kind, z) for z in signals}
        action = {z: int(mechanism.allocation.policy[0][at[z]]) for z in signals}
        worth = {z: env.exact.general[i][action[z]][kind[i]][z[i]] for z in signals}
        chance = {
            (z, y): prod(env.exact.signal_kernel[j][action[z]][z[j]][y[j]] for j in agents)
            for z, y in product(signals, signals)
        }
        paying = [{z: Fraction(float(part[at[z]])) for z in signals} for part in transfer]
        matrix = [[(z == y) - d * chance[z, y] for y in signals] for z in signals]
        value = dict(zip(signals, solved(matrix, [worth[z] - paying[-1][z] for z in signals]), strict=True))
        for early in reversed(paying[:-1]):
            value = {z: worth[z] - early[z] + d * sum(chance[z, y] * value[y] for y in signals) for z in signals}
        found |= {(kind, z): value[z] for z in signals}
    return found


def signal_chance(env, j, kind, z):
    row = env.exact.signal_initial[j]
    return (row[kind] if env.signal_initial[j].ndim > 1 else row)[z]


def raw_places(mechanism, i, constraint):
    """What agent i has at each place at which she is asked: (agent, period, initial type, the others'), value."""
    env, value, found = mechanism.environment, raw_values(mechanism, i), []
    first, others = env.exact.initial_probabilities, [j for j in range(env.agents) if j != i]
    signals = list(product(*map(range, env.signal_shape)))
    for k in range(env.initial_shape[i]):
        if first[i][k] == 0:
            continue
        whole = Fraction(0)
        for kind in product(*map(range, env.initial_shape)):
            weight = prod((first[j][kind[j]] for j in others), start=Fraction(1))
            if kind[i] != k or weight == 0:
                continue
            rest = tuple(kind[j] for j in others)
            chance = {z: [signal_chance(env, j, kind[j], z[j]) for j in range(env.agents)] for z in signals}
            mean = sum(prod(chance[z]) * value[kind, z] for z in signals)
            whole += weight * mean
            if constraint == EX_POST:
                found.append(((i, 0, k, rest), mean))
            for own in range(env.signal_shape[i]):
                if constraint == PERIODIC and signal_chance(env, i, k, own):
                    mine = [z for z in signals if z[i] == own]
                    expected = sum(prod(chance[z][j] for j in others) * value[kind, z] for z in mine)
                    found.append(((i, 1, k, rest), expected))
        if constraint != EX_POST:
            found.append(((i, 0, k, None), whole))
    return found


def ordered(places):
    return sorted(places, key=lambda entry: (entry[0][:3], entry[0][3] or (), entry[1]))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("early", [0, 2])
def test_every_place_at_contracting(sizes, early):
    for seed in range(3):
        mechanism = paid(environment(SIZES[sizes], seed), seed, early=early)
        for i, constraint in product(range(len(SIZES[sizes][0])), PARTICIPATION):
            raw = ordered(raw_places(mechanism, i, constraint))
            values = raw_values(mechanism, i)
            shape, paired = mechanism.allocation.policy[0].shape, np.empty(mechanism.allocation.policy[0].shape, object)
            for (kind, z), value in values.items():
                paired[pair(mechanism.environment, kind, z)] = value
            exact = [(place, value) for value, place in contracted._expected(constraint, mechanism, i, paired, True)]
            assert ordered(exact) == raw
            assert all(isinstance(value, Fraction) for _, value in exact)
            quick = truthful_values(mechanism.allocation, i).value[0]
            assert quick.shape == shape
            floats = [(place, value) for value, place in contracted._expected(constraint, mechanism, i, quick, False)]
            assert [place for place, _ in ordered(floats)] == [place for place, _ in raw]
            assert [value for _, value in ordered(floats)] == pytest.approx(
                [float(value) for _, value in raw], abs=1e-11
            )
            assert all(isinstance(value, float) for _, value in floats)


def loss_of(places):
    return max([Fraction(0), *(-value for _, value in places)])


def test_the_worst_place_of_all_counts():
    """Participation by raw loops at contracting, and as the allocation periods by themselves are judged."""
    seen = set()
    for sizes, seed, fee in product((SIZES["one-agent"], ((2, 2), (2, 2))), range(4), (-20, 0, Fraction(3, 2))):
        made = paid(environment(sizes, seed), seed)
        transfer = tuple(tuple(part + float(fee) for part in row) for row in made.allocation.transfer)
        mechanism = replace(made, allocation=replace(made.allocation, transfer=transfer))
        for constraint in PARTICIPATION:
            places = [place for i in range(len(sizes[0])) for place in raw_places(mechanism, i, constraint)]
            first, later = loss_of(places), Fraction(0)
            if constraint != INTERIM:
                later = verify_markov(mechanism.allocation, constraint, exact=True)[constraint].exact
            for exact in (False, True):
                found = contracted.verify_contracted(mechanism, constraint, exact)[constraint]
                assert found.status == ("satisfied" if max(first, later) == 0 else "violated")
                assert found.gain == pytest.approx(float(max(first, later)), abs=1e-10)
                assert found.exact == (max(first, later) if exact else None)
                example = found.counterexample
                assert (example is None) == found.holds
                if first > later:
                    assert isinstance(example, contracted.ContractingCounterexample)
                    assert example.constraint == constraint and example.true_type == example.report
                    place = (example.agent, example.period, example.true_type, example.others)
                    worst = [at for at, value in places if -value == first]
                    assert place == worst[0] if exact else place in worst
                    assert example.gain == found.gain
                elif later > first:
                    assert not isinstance(example, contracted.ContractingCounterexample)
            seen.add((constraint.name, bool(first or later), first >= later))
    # no profile's mean is worse than its worst signal
    ways = {"interim": "01", "periodic": "012", "periodic-ex-post-ir": "02"}
    which = [(False, True), (True, True), (True, False)]
    assert seen == {(name, *which[int(k)]) for name, some in ways.items() for k in some}


def test_the_worse_of_two_verdicts():
    """Violated before undecided before satisfied, then the larger gain; rounding covers both."""

    def worse(first, later):
        found = contracted._worse(check(*first), check(*later))
        return str(found.status), found.gain, found.rounding

    def check(status, gain, rounding):
        return ConstraintCheck(Status(status), gain, rounding, 0.5)

    assert worse(("satisfied", 0.25, 0.0), ("satisfied", 0.125, 0.25)) == ("satisfied", 0.25, 0.25)
    assert worse(("satisfied", 0.125, 0.125), ("satisfied", 0.25, 0.0)) == ("satisfied", 0.25, 0.125)
    assert worse(("undecided", 0.125, 1.0), ("satisfied", 0.25, 0.0)) == ("undecided", 0.125, 1.0)
    assert worse(("undecided", 9.0, 9.0), ("violated", 1.0, 0.125)) == ("violated", 1.0, 9.0)
    assert worse(("violated", 1.0, 0.125), ("undecided", 9.0, 9.0)) == ("violated", 1.0, 9.0)
    assert worse(("violated", 1.0, 0.125), ("violated", 2.0, 0.25)) == ("violated", 2.0, 0.25)


def bayesian(mechanism, exact=False):
    return contracted.verify_contracted(mechanism, mo.BayesianIC(), exact)[mo.BayesianIC()]


def one_misreport(discount, gain):
    """Signal 1 saves this much by the report 0, now and whenever it comes: for ever."""
    env = mo.SeparableTypes([[1]], [[1]], [[[0, 0]]], [[0, 1]], [[[1, 0], [0, 1]]], discount=discount)
    return ContractedMechanism(env, MarkovMechanism(allocation_phase(env), [[0, 0]], [[np.array([0.0, gain])]]))


@pytest.mark.parametrize("exact", [False, True])
def test_strategies_are_bounded_by_one_misreport_after_another(exact):
    """A gain of 3 in one period, 3 / (1 - 3/4) = 12 for ever: between 0 and 12."""
    found = bayesian(one_misreport("3/4", 3.0), exact)
    assert (found.status, found.exact) == ("undecided", None)
    assert found.gain == found.rounding == pytest.approx(6, abs=1e-10)
    assert found.counterexample.period == 0 and found.counterexample.report == 0
    honest = bayesian(one_misreport("3/4", 0.0), exact)
    assert (honest.status, honest.counterexample) == ("satisfied", None)


def worth(gain, discount="3/4"):
    """The same, where the agent has 1 in each period besides: tolerance 1e-8 / (1 - d)."""
    made = one_misreport(discount, gain)
    env = replace(made.environment, base=[[[1, 1]]])
    return ContractedMechanism(env, MarkovMechanism(allocation_phase(env), [[0, 0]], made.allocation.transfer))


@pytest.mark.parametrize("exact", [False, True])
def test_the_tolerance_is_of_the_whole_strategy(exact):
    """One misreport of just below and just above 1e-8 is 4e-8 for ever, the tolerance; half of it is shown."""
    below, above = (bayesian(worth(1e-8 * (1 + sign * 1e-3)), exact) for sign in (-1, 1))
    assert (below.status, above.status) == ("satisfied", "undecided")
    assert below.tolerance == above.tolerance == pytest.approx(4e-8, rel=1e-12)
    assert above.gain == above.rounding == pytest.approx(2e-8, rel=2e-3)


def test_rounding_may_leave_strategies_undecided():
    """Everybody pays 1e8 whatever she reports: nothing is gained, but floats cannot tell."""
    made = worth(0.0)
    lent = ContractedMechanism(made.environment, replace(made.allocation, transfer=((np.array([1e8, 1e8]),),)))
    one = verify_markov(lent.allocation, mo.PeriodicExPostIC())[mo.PeriodicExPostIC()]
    found = bayesian(lent)
    assert (one.gain, found.status) == (0, "undecided")
    assert found.gain == found.rounding == pytest.approx(one.rounding * 4 / 2, rel=1e-12)
    assert bayesian(lent, exact=True).holds


def test_the_exact_discount_decides_in_fractions():
    """1/3, and not the float, where there are exact numbers."""
    made = worth(2.0, "1/3")
    assert bayesian(made, True).gain == float(Fraction(2) / (1 - Fraction(1, 3)) / 2)
    changed = {
        "initial_values": [[1.0, 2.0, 3.0]],
        "initial_probabilities": [[0.1 + 0.2, 0.4, 0.3]],
        "level": [[1, 1, 1]],
    }
    rough = replace(made.environment, **changed)
    assert rough.exact is None
    allocation = MarkovMechanism(allocation_phase(rough), [[0] * 6], [[np.array([0.0, 2.0] * 3)]])
    gain = bayesian(ContractedMechanism(rough, allocation), True).gain
    assert gain == float(Fraction(2) / (1 - Fraction(rough.discount)) / 2)


def test_fractions_of_floats_where_there_is_nothing_more_exact():
    env = mo.SeparableTypes(
        [[1, 2, 3]], [[0.1 + 0.2, 0.4, 0.3]], [[[0, 1]]], [[0.25, 0.75]], [[[0.5, 0.5]] * 2], discount=0.5
    )
    assert env.exact is None
    markov = allocation_phase(env)
    mechanism = ContractedMechanism(env, MarkovMechanism(markov, [[0] * 6], [[np.array([0.0, 9.0] * 3)]]))
    found = mo.verify(mechanism, INTERIM, exact=True)["interim"]
    # V = r + 1/2 mean(V): r = (0, k - 9); mean(V) = (k - 9), V = (k - 9) / 2 and 3 (k - 9) / 2; the least is of k = 1
    assert found.exact == Fraction(1, 4) * 4 + Fraction(3, 4) * 12
    assert mo.verify(mechanism, INTERIM)["interim"].gain == pytest.approx(10)


def test_rounding_of_an_expectation_at_contracting():
    """2 + 2 signals, 6 profiles of initial types and four roundings of each agent's: carried along with that of V."""
    made = paid(environment(((2, 3), (2, 2)), 3), 3, early=1)
    transfer = tuple(tuple(part + 40 for part in row) for row in made.allocation.transfer)
    mechanism = replace(made, allocation=replace(made.allocation, transfer=transfer))
    depth = 2 + 2 + 2 * 3 + 4 * 2
    assert contracted._precision(mechanism, 5.0) == Precision.of(depth, 5.0)
    found = contracted.verify_contracted(mechanism, INTERIM)[INTERIM]
    assert found.status == "violated"
    values = truthful_values(mechanism.allocation, found.counterexample.agent)
    share, largest = 2 * depth * UNIT, np.abs(values.value[0]).max()
    expected = (1 + share) * values.error[0].max() + share * largest
    assert found.rounding == pytest.approx(expected, rel=1e-12, abs=0)
    assert values.error[0].max() < share * largest * 100  # neither is lost beside the other


def test_what_values_are_off_by_is_averaged_too(monkeypatch):
    """Off by 8: 8 and an eighth of it, an eighth of the largest value, 3, and a quarter; less 1 that she has."""
    values = Values((np.array([-3.0, 1.0]),), (np.array([8.0, 0.0]),))
    monkeypatch.setattr(contracted, "truthful_values", lambda *_: values)
    monkeypatch.setattr(contracted, "_precision", lambda mechanism, largest: Precision(0.125, largest / 12))
    found = contracted._participation(INTERIM, one_misreport("3/4", 0.0), 0.0)
    assert (found.status, found.gain) == ("undecided", 0) and found.rounding == 9 + 3 / 8 + 1 / 4 - 1


def test_what_cannot_be_computed_is_a_violation():
    made = one_misreport("3/4", 0.0)
    wild = ContractedMechanism(made.environment, replace(made.allocation, transfer=((np.array([1.7e308, -1.7e308]),),)))
    report = mo.verify(wild, [*contracted.CHECKED])
    assert set(report.violated) == {constraint.name for constraint in contracted.CHECKED}
    assert report["bayesian"].gain == report["interim"].gain == np.inf


def test_floats_and_all_that_needs_no_histories_are_the_default():
    mechanism = one_misreport("3/4", 3.0)
    report = contracted.verify_contracted(mechanism)
    assert tuple(report) == contracted.CHECKED and report.environment is mechanism.environment
    assert report["interim"].exact is None
    claimed = ContractedMechanism(mechanism.environment, replace(mechanism.allocation, claims=(INTERIM,)))
    assert tuple(contracted.verify_contracted(claimed)) == (INTERIM,)
    with pytest.raises(mo.InputError, match=r"'epir' goes over all histories, .* that do not: periodic-ex-post, "):
        contracted.verify_contracted(mechanism, mo.EPIR())


def test_a_violation_at_contracting_in_words():
    example = contracted.ContractingCounterexample(EX_POST, 1, 0, (), 2, 2, 0.5, (0, 3))
    assert str(example) == "agent 1, at contracting: the utility of type 2 while the others are [0, 3] is -0.5"
    example = replace(example, period=1, others=None)
    assert str(example) == "agent 1, at her first signal: the utility of type 2 is -0.5"
