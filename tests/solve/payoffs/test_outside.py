"""Outside options and ex ante participation: against raw programs of the definitions, verified and proved."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import mechopt as mo
from tests.papers.raw_program import raw_optimum
from tests.persistent_instances import battaglini, random_correlated, random_markov
from tests.solve.payments.raw_independent import raw_value
from tests.solve.payments.raw_persistent import raw_value as raw_persistent
from tests.solve.payments.test_independent import random_types
from tests.solve.payments.test_persistent import random_chain
from tests.strategy_rows import InformedMisreport, Strategies

ON_PATHS = ["epir", "prefix", "per-period", "per-period-expected", "per-period-expected+epir"]
BY_TYPE = ["interim", "periodic", "expected-continuation", "ex-ante", "periodic+ex-ante"]


def with_outside(env, seed, how):
    """Options of both signs: one number, by initial type, or by period and type; the last agent of several has none."""
    rng = np.random.default_rng(seed)

    def drawn(size):
        return [f"{n}/2" for n in rng.integers(-3, 4, size)]

    options = []
    for i in range(env.agents):
        sizes = [row[i] for row in env.shape]
        whole = {"number": drawn(1)[0], "first": drawn(sizes[0]), "period": [drawn(k) for k in sizes]}[how]
        options.append(None if i and i + 1 == env.agents else whole)
    return replace(env, outside=options)


@pytest.mark.parametrize("ir", [*ON_PATHS, *BY_TYPE])
@pytest.mark.parametrize("seed", range(4))
def test_independent_types_against_the_raw_program(seed, ir):
    how = "number" if ir in ON_PATHS else ["first", "period"][seed % 2]
    env = with_outside(random_types(seed), seed, how)
    ic = ["dic", "ex-post", "ppic+indu", "super-dic"][seed]
    expected = raw_optimum(env, ic.split("+"), ir.split("+"))
    best = mo.optimum(env, ic, ir, exact=True)
    assert best.status is mo.results.Status.OPTIMAL
    assert best.value == pytest.approx(expected, abs=1e-7)
    report = mo.verify(best.mechanism)
    assert report.holds, report
    assert mo.verify(best.mechanism, exact=True).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact
    problem = mo.Problem(env, ic, ir)
    assert problem.program()[0].size == (problem.size.rows, problem.size.columns, problem.size.nonzeros)


@pytest.mark.parametrize("name", ["budget:1", "no-subsidy", "weak-budget-balance"])
def test_with_constraints_on_payments(name):
    for seed in range(3):
        env = with_outside(random_types(seed), seed, "first")
        expected = raw_value(env, ["dic"], ["interim"], [name])
        best = mo.optimum(env, "dic", "interim", subject_to=name)
        if expected is None:
            assert best.status is mo.results.Status.INFEASIBLE
        else:
            assert best.value == pytest.approx(expected, abs=1e-7)
            assert mo.verify(best.mechanism).holds


@pytest.mark.parametrize("ir", ["interim", "periodic", "ex-ante"])
@pytest.mark.parametrize("steered", [False, True], ids=["free", "steered"])
@pytest.mark.parametrize("seed", range(3))
def test_persistent_types_against_the_raw_program(seed, steered, ir):
    env = with_outside(random_chain(seed, steered), seed, "period" if ir == "periodic" else "first")
    expected = raw_persistent(env, ir, [], steered)
    best = mo.optimum(env, "periodic-ex-post", ir, exact=True)
    assert best.value == pytest.approx(expected, abs=1e-7)
    assert best.mechanism.revenue == pytest.approx(best.value, abs=1e-7)
    assert mo.verify(best.mechanism).holds, mo.verify(best.mechanism)
    assert mo.verify(best.mechanism, exact=True).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


@pytest.mark.parametrize("sees", ["all", "actions", "own"])
@pytest.mark.parametrize("seed", range(3))
def test_bayesian_constraints_against_all_strategies(seed, sees):
    env = with_outside(random_markov(seed, 1 + seed % 2, 2, 2, 2), seed, "first")
    best = mo.optimum(env, mo.BayesianIC(sees), "interim", exact=True)
    assert best.value == pytest.approx(Strategies(env, sees).optimum(), abs=1e-7)
    assert mo.verify(best.mechanism).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


@pytest.mark.parametrize("ir", ["epir", "interim"])
@pytest.mark.parametrize("seed", range(2))
def test_correlated_types_against_one_misreport(seed, ir):
    env = with_outside(random_correlated(seed), seed, "number")
    best = mo.optimum(env, "periodic-ex-post", ir, exact=True)
    if ir == "interim":
        assert best.value == pytest.approx(InformedMisreport(env).optimum(), abs=1e-7)
    assert mo.verify(best.mechanism).holds
    assert mo.formats.check_certificate(env, best.certificate) == best.exact


@pytest.mark.parametrize("ir", ["epir", "prefix", "per-period", "interim"])
def test_persistent_types_on_paths(ir):
    env = battaglini(3)
    free = mo.optimum(env, ir=ir).value
    values = []
    for option in ("-1", 0, "1/2", 1, 2):
        given = replace(env, outside=[option])
        best = mo.optimum(given, ir=ir, exact=True)
        assert mo.verify(best.mechanism).holds
        assert mo.formats.check_certificate(given, best.certificate) == best.exact
        values.append(best.value)
        if ir != "per-period":  # one number is paid at the start, whatever else is done
            assert best.value == pytest.approx(free - float(mo.core.numbers.to_exact(option)), abs=1e-8)
    assert all(a >= b - 1e-9 for a, b in pairwise(values))


def test_nothing_outside_changes_nothing():
    for env in (battaglini(2), mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 2), random_correlated(0)):
        given = replace(env, outside=[[0] * row for row in env.shape[0]])
        assert given == env
        assert given.outside is None
        assert mo.optimum(given).value == mo.optimum(env).value


def test_the_looser_the_more():
    chain = battaglini(2)
    coin = mo.IndependentTypes.iid([1, 4], ["1/2", "1/2"], 2)
    for env, order in (
        (chain, ["periodic-ex-post-ir", "periodic", "interim", "ex-ante"]),
        (coin, ["per-period", "periodic", "interim", "ex-ante"]),
        (coin, ["per-period-expected", "expected-continuation", "ex-ante"]),
    ):
        for given in (env, replace(env, outside=["1/2"])):
            values = [mo.optimum(given, ir=ir).value for ir in order]
            assert all(a <= b + 1e-9 for a, b in pairwise(values))
    # before she knows her type a buyer gives all: E max(v, 0) a period
    assert mo.formats.certify(coin, ir="ex-ante").value == 5
    assert mo.formats.certify(chain, ir="ex-ante").value == pytest.approx(chain.first_best)


def test_countervailing_incentives_by_hand():
    # One period, values 1 and 2 evenly; the high type has 1 outside. Price 1 serves both, and the high type keeps 1.
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1)
    assert mo.formats.certify(replace(env, outside=[[0, 1]]), ir="interim").value == 1
    # (1/2, 1): utilities at least 1/2 and 1 with 0 <= U2 - U1 <= 1: serve both, U = (1/2, 3/2), revenue 3/2 - 1 = 1/2;
    # or the low type with probability 1/2, U = (1/2, 1): surplus 1/4 + 1 less (1/2 + 1)/2 = 1/2: a tie
    assert mo.formats.certify(replace(env, outside=[["1/2", 1]]), ir="interim").value == mo.core.numbers.to_exact("1/2")
    # (0, 3/2): U2 - U1 <= x2 = 1, so that the low type gets 1/2 although she has nothing: 3/2 less (1/2 + 3/2)/2
    assert mo.formats.certify(replace(env, outside=[[0, "3/2"]]), ir="interim").value == mo.core.numbers.to_exact("1/2")


def test_violations_are_told_and_replayed():
    env = replace(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1), outside=[[0, 1]])
    sale = mo.Mechanism(env, [np.array([[[0.0, 1.0]]])], [np.array([[[0.0, 2.0]]])])
    for constraint, short in (("interim", 1.0), ("ex-ante", 0.5), ("periodic", 1.0)):
        found = next(iter(mo.verify(sale, constraint).values()))
        assert not found.holds
        assert found.gain == pytest.approx(short)
        assert found.counterexample.replay(sale) == pytest.approx(short)
        assert "below what she has outside" in str(found.counterexample)
        assert mo.verify(sale, constraint, exact=True)[found.counterexample.constraint].gain == pytest.approx(short)
    chain = replace(battaglini(1), outside=[[0, 1]])
    best = mo.optimum(chain, ir="interim").mechanism
    dear = mo.SequenceMechanism(best.tree, best.allocation, [part + 1.0 for part in best.payment])
    for constraint, short in ((mo.Interim(), 1.0), (mo.ExAnteIR(), None)):
        found = mo.verify(dear, constraint)[constraint]
        assert not found.holds
        assert found.counterexample.replay(dear) == pytest.approx(found.gain)
        assert short is None or found.gain == pytest.approx(short)


@pytest.mark.parametrize("ir", ["epir", "prefix", "per-period"])
@pytest.mark.parametrize("given", [[[0, 1]], [[0, 1]] * 2])
def test_paths_want_one_number(ir, given):
    for env in (battaglini(2), mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)):
        options = [given] if len(given) > 1 else given
        with pytest.raises(mo.InputError, match=f"{ir} with outside of agent '0' by type or period"):
            mo.optimum(replace(env, outside=options), ir=ir)


def test_closed_forms_refuse_by_name():
    env = replace(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2), outside=[1])
    for build in (mo.repeated_myerson, mo.give_for_free, mo.non_clairvoyant_balance):
        with pytest.raises(mo.InputError, match="outside: agents have nothing outside"):
            build(env)
    with pytest.raises(mo.InputError, match="outside"):
        mo.dynamic_pivot(replace(battaglini(2), outside=[1]))
    for method in ("promised", "dual"):
        with pytest.raises(mo.InputError, match="outside options"):
            mo.optimum(env, method=method)


def test_an_option_alone_sets_the_scale_of_what_counts_as_nothing():
    """A buyer to whom nothing is worth anything: her option outside is the money that there is."""
    for worth in ("-1/2", -300, "1/1000000000"):
        env = mo.IndependentTypes([[[0]]], [[[1]]], cost=[2], outside=[worth])
        best = mo.optimum(env, "ppic+indu", "ex-ante")
        report = mo.verify(best.mechanism)
        assert report.holds
        assert best.value == pytest.approx(-float(Fraction(worth)))
