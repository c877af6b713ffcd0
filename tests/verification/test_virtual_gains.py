"""Gains of virtual pivots for ever: all of them by loops, and pivots that somebody changed."""

from copy import copy
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import count, product, repeat
from types import SimpleNamespace

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError, LimitError
from mechopt.verification import virtual, virtual_exact
from mechopt.verification.rounding import Status
from mechopt.verification.virtual import CHECKED
from tests.verification.test_virtual_places import PIVOTS, in_fractions
from tests.verification.test_virtual_values import bound

AGAIN, BAYESIAN, INTERIM = mo.PeriodicExPostIC(rereport=True), mo.BayesianIC(), mo.Interim()
IDS = [constraint.name for constraint in CHECKED]


@cache
def contracts_of(name):
    """Contracts in floats by agent and profile."""
    pivot = PIVOTS[name]
    places = product(range(pivot.environment.agents), np.ndindex(pivot.environment.initial_shape))
    return {(i, profile): virtual._contract(pivot, profile, i, True) for i, profile in places}


def off_by(name, errors):
    """The same, off by what is given, one after another."""
    found = contracts_of(name).items()
    return {place: contract and contract._replace(error=next(errors)) for place, contract in found}


def with_own(i, own, others):
    return (*others[:i], own, *others[i:])


def raw_gains(constraint, pivot, contracts):
    """Gain, what it may be off by, and its place, from the values of contracts."""
    env = pivot.environment
    d = env.discount
    for i in range(env.agents):
        rest = [j for j in range(env.agents) if j != i]
        others = list(product(*(range(env.initial_shape[j]) for j in rest)))
        weights = [np.prod([env.initial_probabilities[j][k] for j, k in zip(rest, o, strict=True)]) for o in others]
        depth, most = 8 + 2 * env.agents + len(others), max(map(abs, pivot.upfront[i].ravel()))
        first, kernel = env.signal_initial[i], env.signal_kernel[i]
        free = all(p > 0 for p in first) and all(p > 0 for p in kernel.ravel())
        types = range(env.initial_shape[i])

        def utility(true, report, o, how, i=i, depth=depth, most=most):
            profile = with_own(i, report, o)
            paid, contract = pivot.upfront[i][profile], contracts[i, profile]
            total, error = -paid, 0.0
            if contract is not None:
                members = [i] if how == "blind" else [i, *(j for j in pivot.phase(profile).members if j != i)]
                value = contract.truth if how == "truth" else getattr(contract, how)[true]
                for z in np.ndindex(value.shape):
                    total += d * value[z] * np.prod([env.signal_initial[j][k] for j, k in zip(members, z, strict=True)])
                error = contract.error
            return total, error + bound(depth, abs(total) + abs(paid)) + depth * 2.0**-1022 * (most - abs(total))

        def later(o, true, gain, times, i=i):
            contract = contracts[i, with_own(i, true, o)]
            if contract is not None:
                yield d * gain(contract), times * contract.error, (i, 1, true, true, o)

        if constraint.role == "ir":
            for true in types:
                honest = [utility(true, true, o, "truth") for o in others]
                if constraint == mo.PeriodicExPostIR():
                    for o, (value, error) in zip(others, honest, strict=True):
                        yield -value, error, (i, 0, true, true, o)
                else:
                    mean, error = (sum(w * h[n] for w, h in zip(weights, honest, strict=True)) for n in (0, 1))
                    yield -mean, error, (i, 0, true, true, None)
                for o in others if constraint != INTERIM else ():
                    if constraint == mo.PeriodicIR():
                        yield from later(o, true, lambda c: -min(c.expected), 1)
                    else:
                        yield from later(o, true, lambda c: -min(c.truth.ravel()[c.reached.ravel()]), 1)
            continue
        how = {BAYESIAN: "blind", AGAIN: "best"}.get(constraint, "direct")
        for true, report in product(types, types):
            found = []
            for o in others:
                (told, wrong), (honest, off) = utility(true, report, o, how), utility(true, true, o, "truth")
                low = told if free or how == "best" else utility(true, report, o, "plain")[0]
                found.append(((told + low) / 2 - honest, wrong + off + (told - low) / 2))
            if constraint == BAYESIAN:
                mean, error = (sum(w * f[n] for w, f in zip(weights, found, strict=True)) for n in (0, 1))
                yield mean, error, (i, 0, true, report, None)
            else:
                yield from ((*f, (i, 0, true, report, o)) for f, o in zip(found, others, strict=True))
        for true, o in product(types, others if constraint != BAYESIAN else ()):
            yield from later(o, true, lambda c, true=true, how=how: max((getattr(c, how)[true] - c.truth).ravel()), 2)


@pytest.mark.parametrize("constraint", CHECKED, ids=IDS)
@pytest.mark.parametrize("name", PIVOTS)
def test_gains_roundings_and_places(name, constraint):
    """Those of loops: where contracts are off by much, each by something else, and where they are exact."""
    pivot = PIVOTS[name]
    certain = constraint.role == "ir" or constraint == AGAIN or name in ("all-signals", "floats")
    for errors, within in [(count(1.0), {"rel": 1e-9}), (repeat(0.0), {"rel": 1e-6, "abs": 0 if certain else 1e-12})]:
        contracts = off_by(name, errors)
        found, wanted = (
            list(virtual._gains(constraint, pivot, contracts)),
            list(raw_gains(constraint, pivot, contracts)),
        )
        assert [place for *_, place in found] == [place for *_, place in wanted]
        assert [gain for gain, *_ in found] == pytest.approx([gain for gain, *_ in wanted], abs=1e-12)
        assert [half for _, half, _ in found] == pytest.approx([half for _, half, _ in wanted], **within)
    exact = list(in_fractions(name).gains(constraint))
    assert [place for *_, place in exact] == [place for *_, place in wanted]
    assert [float(low + high) / 2 for low, high, _ in exact] == pytest.approx([g for g, *_ in wanted], abs=1e-12)


def changed(pivot, agent, profile, by):
    """The upfront payment of an agent at one profile changed."""
    upfront = [part.copy() for part in pivot.upfront]
    upfront[agent][profile] += by
    return replace(pivot, upfront=tuple(upfront))


@pytest.mark.parametrize("name", ["additive", "three-agents"])
def test_a_fee_at_contracting_is_found(name):
    """Of those who are left out too."""
    pivot, expost = PIVOTS[name], mo.PeriodicExPostIR()
    env = pivot.environment
    for i, profile in product(range(env.agents), np.ndindex(env.initial_shape)):
        others = tuple(k for j, k in enumerate(profile) if j != i)
        rent = pivot.utility[i][profile]

        def check(by, i=i, profile=profile):
            return virtual._check(expost, changed(pivot, i, profile, by), contracts_of(name), 1e-9)

        found = check(rent + 0.5)
        assert found.status is Status.VIOLATED and found.gain == pytest.approx(0.5, abs=1e-9)
        place = found.counterexample
        assert (place.agent, place.period, place.others) == (i, 0, others)
        assert place.true_type == place.report == profile[i]
        assert check(rent).holds and not check(np.nan).holds


@pytest.mark.parametrize("name", ["additive", "three-agents"])
def test_a_fee_at_contracting_is_refused_in_fractions(name):
    pivot, exact = PIVOTS[name], copy(in_fractions(name))
    exact.require_upfront(1e-9)
    for i, profile in product(range(pivot.environment.agents), np.ndindex(pivot.environment.initial_shape)):
        for by in (1e-6, -1e-6, np.nan):
            exact.pivot = changed(pivot, i, profile, by)
            with pytest.raises(InputError, match=rf"upfront payments of agent {i} at types \{list(profile)}"):
                exact.require_upfront(1e-7)


def test_a_changed_pivot_is_not_verified_in_fractions():
    pivot = changed(PIVOTS["all-signals"], 1, (0, 1), 1e-6)
    with pytest.raises(InputError, match=r"upfront payments of agent 1 at types \[0, 1\] are not those"):
        mo.verify(pivot, "interim", exact=True)


def with_phase(pivot, profile, **parts):
    phases = pivot.phases.copy()
    phases[profile] = replace(phases[profile], **parts)
    return replace(pivot, phases=phases)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("name", "profile"), [("additive", (2, 1)), ("three-agents", (1, 0, 1))])
def test_other_payments_than_those_of_the_formula_are_refused(name, profile, exact):
    pivot = PIVOTS[name]
    for i, stages in pivot.phase(profile).without.items():
        without = {
            **pivot.phase(profile).without,
            i: (stages[0] + 1e-6 * (np.arange(stages[0].size) == 0).reshape(stages[0].shape),),
        }
        with pytest.raises(InputError, match=rf"payments of agent {i} after reports \{list(profile)}"):
            mo.verify(with_phase(pivot, profile, without=without), exact=exact)


@pytest.mark.parametrize("profile", [(0, 0), (1, 1)])
@pytest.mark.parametrize("name", ["some-signals-never", "all-signals"])
def test_a_policy_that_is_not_the_best_one(name, profile):
    """Nothing is ever done after one contract: who may report her type again gains at once, who may not does not."""
    pivot = PIVOTS[name]
    idle = with_phase(pivot, profile, policy=(np.zeros_like(pivot.phase(profile).policy[0]),))
    env, exact = pivot.environment, virtual_exact._Exact(idle)
    gains = {c: list(exact.gains(c)) for c in (AGAIN, mo.PeriodicExPostIC())}
    for i in range(env.agents):
        other = (profile[1 - i],)
        place = (i, 1, profile[i], profile[i], other)
        # the contract still asks for the price of doing nothing: her value and hers alone at those of actions
        true = contracts_of(name)[i, profile]
        idle_truth = virtual._contract(idle, profile, i, False).truth
        wanted = env.discount * max((true.best[profile[i]] - idle_truth).ravel())
        assert wanted > 0.01
        for constraint, most in [(AGAIN, wanted), (mo.PeriodicExPostIC(), 0)]:
            (found,) = [(low, high) for low, high, at in gains[constraint] if at == place]
            assert found[0] == found[1] and float(found[0]) == pytest.approx(most, abs=1e-12)
            rows = virtual._gains(
                constraint, idle, {**contracts_of(name), (i, profile): virtual._contract(idle, profile, i, False)}
            )
            assert [gain for gain, _, at in rows if at == place] == [pytest.approx(most, abs=1e-12)]


def answer(*gains, tolerance=Fraction(1, 4)):
    """Of gains, each with a place of its own."""
    rows = [(Fraction(low), Fraction(high), n) for n, (low, high) in enumerate(gains)]
    return virtual_exact._answer(SimpleNamespace(gains=lambda _: iter(rows)), INTERIM, tolerance)


def test_three_answers_in_fractions():
    quarter, half = Fraction(1, 4), Fraction(1, 2)
    found, place = answer((0, 0), (half, half), (half, 1))
    assert (found, place) == ((Status.VIOLATED, 0.5, 0.0, None, half), 1)
    found, place = answer((0, 0), (-1, quarter), (quarter, quarter))
    assert (found, place) == ((Status.SATISFIED, 0.25, 0.0, None, quarter), None)
    assert answer((-2, -1)) == ((Status.SATISFIED, 0.0, 0.0, None, 0), None)
    found, place = answer((0, 0), (quarter, half), (-half, half))
    assert (found, place) == ((Status.UNDECIDED, 0.375, 0.125, None, None), 1)
    found, place = answer((-3, half), (-1, half))
    assert (found, place) == ((Status.UNDECIDED, 0.25, 0.25, None, None), 0)


def test_how_many_products_a_pivot_takes_in_fractions(monkeypatch):
    """Contracts of each agent times her types, and elimination over actions times profiles of signals."""
    asked = []

    def stop(terms, about):
        asked.append((terms, about))
        raise LimitError("too many")

    monkeypatch.setattr(virtual_exact, "require_few", stop)
    for name, terms in [("additive", (6 * 2 * 3) * (4 * 6) ** 3), ("three-agents", (4 * 3 * 2) * (4 * 12) ** 3)]:
        with pytest.raises(LimitError):
            mo.verify(PIVOTS[name], exact=True)
        assert asked.pop() == (terms, "the check of a virtual pivot")
