"""Trees of scenarios with the least guarantee: the reduced program, its limit, the files of a search."""

import json
import pickle
from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np
import pytest

import mechopt as mo
from mechopt.proof.certificate import CertificateError, load_certificate
from mechopt.proof.check import check_guarantee
from mechopt.proof.words import statement
from mechopt.results import TreeFamily
from mechopt.solve.exact.guarantee import certify_guarantee
from tests.papers.raw_scenarios import random_scenarios
from tests.solve.raw_maximin import Reference, combine

REST = {"name": "rest", "values": [0], "probabilities": [1]}


def with_rest(scenarios):
    """Every scenario, and each of them followed by an absorbing period."""
    tables = [
        {"name": name, "values": one.exact[0], "probabilities": one.exact[1]}
        for name, one in scenarios.distributions.items()
    ]
    longer = [[*sequence, "rest"] for sequence in scenarios.sequences]
    return mo.Scenarios([*tables, REST], [*scenarios.sequences, *longer], absorbing=["rest"])


@pytest.mark.parametrize("shape", ["one period", "one or two", "chain"])
def test_the_reduced_guarantee_is_the_limit_of_finite_tails(shape):
    rng, tried = np.random.default_rng(4), 0
    while tried < 3:
        plain = random_scenarios(rng, shape, most=2)
        if min(env.first_best for env in plain.environments) <= 0:
            continue
        tried += 1
        tree = with_rest(plain)
        limit = mo.maximin(tree).value
        finite = [
            mo.maximin(mo.mechanisms.with_finite_tails(tree, types, epsilon), accept_range=True).ratio
            for types, epsilon in ((6, "1/2"), (13, "1/100"))
        ]
        assert limit <= finite[1] + 1e-7
        assert finite[1] == pytest.approx(limit, abs=0.02)


def test_theorem_5_1_in_its_limit():
    from mechopt.closedform.bank.gap import _first_period

    values, tail = _first_period(1.0, 60, 26.0)
    distribution = -np.diff(tail, append=0.0)
    first = {"name": "a", "values": values, "probabilities": distribution}
    tree = mo.Scenarios([first, REST], [["a"], ["a", "rest"]], absorbing=["rest"])
    assert mo.maximin(tree).value == pytest.approx(mo.reduced_gap(1.0, 60), abs=1e-7)


def test_absorbing_periods_are_last_and_worth_nothing():
    coin = {"name": "a", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    with pytest.raises(mo.InputError, match="'a' is not one of a sure value 0"):
        mo.Scenarios([coin, REST], [["a"], ["a", "rest"]], absorbing=["a"])
    with pytest.raises(mo.InputError, match="goes on after an absorbing period"):
        mo.Scenarios([coin, REST], [["rest", "a"]], absorbing=["rest"])
    with pytest.raises(mo.InputError, match="absorbing: is for one buyer"):
        mo.Scenarios([coin, REST], [["a", "rest"]], others=[[coin, REST]], absorbing=["rest"])
    tree = mo.Scenarios([coin, REST], [["a"], ["a", "rest"]], absorbing=["rest"])
    assert tree != replace(tree, absorbing=())
    assert tree == replace(tree) == pickle.loads(pickle.dumps(tree))
    for terms in ({"ir": "per-period"}, {"objective": "regret"}, {"ic": "dic+indu"}, {"subject_to": "no-subsidy"}):
        for find in (mo.maximin, certify_guarantee):
            with pytest.raises(mo.InputError, match="the guarantee under dic and epir is known"):
                find(tree, **terms)


def test_a_guarantee_with_absorbing_periods_is_proved(tmp_path):
    # Theorem 5.1's pair in its limit: prices of 4 with probability q and 1 else earn 1 + q of 2, and sell 5/2 - q/2 of
    # 5/2: equal shares at q = 5/7
    coin = {"name": "a", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    tree = mo.Scenarios([coin, REST], [["a"], ["a", "rest"]], absorbing=["rest"])
    best, proof = mo.maximin(tree), certify_guarantee(tree)
    assert proof.value == Fraction(6, 7)
    assert best.value == pytest.approx(6 / 7)
    assert best.optima == pytest.approx((2, 2.5))
    assert best.revenues == pytest.approx((12 / 7, 15 / 7))
    assert best.bound.gap < 1e-9
    assert mo.verify(best.rule).holds
    proof.save(tmp_path / "proof.json")
    again = load_certificate(tmp_path / "proof.json")
    assert check_guarantee(tree, again) == Fraction(6, 7)
    assert "(surplus and first best of the periods before, where rest takes out everything at the end)" in statement(
        again
    )
    with pytest.raises(CertificateError, match="other distributions absorb"):
        check_guarantee(tree, replace(proof, absorbing=()))
    with pytest.raises(CertificateError):  # not of the tree that merely ends with nothing
        check_guarantee(replace(tree, absorbing=()), proof)
    with pytest.raises(CertificateError):
        check_guarantee(tree, replace(proof, value=Fraction(6, 7) + Fraction(1, 10**6)))


@pytest.mark.parametrize("seed", range(4))
def test_the_limit_by_definition(seed):
    """A raw program: allocations, payments, one row a scenario; the absorbing ones by what is sold."""
    rng = np.random.default_rng(seed)
    plain = random_scenarios(rng, "one or two", most=2)
    while min(env.first_best for env in plain.environments) <= 0:
        plain = random_scenarios(rng, "one or two", most=2)
    reference = Reference(plain)
    rows = []
    for s, (env, sequence) in enumerate(zip(plain.environments, plain.sequences, strict=True)):
        sold = {}
        for t in range(len(sequence)):
            for node in reference.histories(s, t + 1):
                chance = prod(reference.distribution(s, u).probabilities[k] for u, k in enumerate(node))
                sold[reference.column("x", s, node)] = chance * reference.distribution(s, t).values[node[-1]]
        rows.append(combine([(1, sold), (-env.first_best, {0: 1.0})]))
        rows.append(combine([(1, reference.revenue(s)), (-mo.optimum(env).value, {0: 1.0})]))
    assert mo.maximin(with_rest(plain)).value == pytest.approx(reference.best({0: 1.0}, rows), abs=1e-8)


def test_a_search_writes_a_model_and_a_proof(monkeypatch, capsys, tmp_path):
    from mechopt import cli

    monkeypatch.chdir(tmp_path)
    study = tmp_path / "tree.toml"
    text = """
title = "A tree"
seed = 3
[tree]
scenarios = [["a"], ["a", "b"]]
types = [1, 2]
[search]
mechanism = "maximin"
budget = 25
"""
    study.write_text(text)

    def run(*words):
        monkeypatch.setattr("sys.argv", ["mechopt", *words])
        try:
            cli.main()
            status = 0
        except SystemExit as stopped:
            status = stopped.code or 0
        return status, capsys.readouterr().out

    status, out = run("search", "tree.toml", "--out", "found", "--json")
    document = json.loads(out)
    assert (status, document["evaluations"], len(document["shapes"])) == (0, 50, 2)
    scenarios, proof = mo.load(document["file"]), load_certificate(document["proof"])
    assert check_guarantee(scenarios, proof) == Fraction(document["exact"])
    assert run("maximin", document["file"], "--check")[0] == 0
    assert run("certificate", "check", document["file"], document["proof"])[0] == 0
    again = json.loads(run("search", "tree.toml", "--out", "found", "--json")[1])
    assert again["exact"] == document["exact"]
    study.write_text(text.replace("types = [1, 2]", 'types = 2\nabsorbing = ["b"]'))
    status, out = run("search", "tree.toml", "--out", "other", "--json")
    document = json.loads(out)
    assert status == 0
    scenarios = mo.load(document["file"])
    assert scenarios.absorbing == ("b",)
    assert check_guarantee(scenarios, load_certificate(document["proof"])) == Fraction(document["exact"])
    assert run("maximin", document["file"], "--check")[0] == 0
    assert run("search", "tree.toml", "--out", "other")[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('mechanism = "maximin"', 'mechanism = "two-period"', "'two-period' is not a closed-form mechanism"),
        ("[tree]", "[family]\n[tree]", "family: is given beside tree"),
        ('["a"], ', '["a"], ["a"], ', "scenarios[1].sequence: is that of scenarios[0] too"),
        ('[search]\nmechanism = "maximin"', "", "search: is missing"),
    ],
)
def test_wrong_studies(old, new, message, tmp_path):
    text = '[tree]\nscenarios = [["a"], ["a", "b"]]\n[search]\nmechanism = "maximin"\n'
    assert old in text
    (tmp_path / "tree.toml").write_text(text.replace(old, new))
    with pytest.raises(mo.InputError) as caught:
        mo.search(tmp_path / "tree.toml", budget=2)
    assert message in str(caught.value)


def test_a_family_of_trees():
    family = TreeFamily([["a"], ["a", "b", "rest"]], 3, ["rest"], "9/10")
    assert family.names == ("a", "b")
    assert family.shape == (2, 2, 3)
    scenarios = family.instance(np.zeros(family.shape))
    assert scenarios.distributions["a"].exact == ((1, 2, 3), (Fraction(333334, 10**6), *[Fraction(333333, 10**6)] * 2))
    assert scenarios.discount == Fraction(9, 10)


@pytest.mark.parametrize("instances", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_trees_that_always_allow_a_half(instances):
    """Two scenarios of which one begins as the other; and stopping or absorbing everything after one period or two."""
    rng, tried, least = np.random.default_rng(11), 0, [1.0, 1.0]
    while tried < instances:
        drawn = random_scenarios(rng, "chain", most=3)
        tables = [
            {"name": name, "values": one.exact[0], "probabilities": one.exact[1]}
            for name, one in drawn.distributions.items()
        ]
        if min(env.first_best for env in drawn.environments) <= 0:
            continue
        tried += 1
        nested = mo.Scenarios(tables, [["a"], ["a", "b", "c"]])
        device = [["a"], ["a", "b"], ["a", "rest"], ["a", "b", "rest"]]
        absorbed = mo.Scenarios([*tables, REST], device, absorbing=["rest"])
        least = [min(old, mo.maximin(tree).value) for old, tree in zip(least, (nested, absorbed), strict=True)]
    assert min(least) >= 1 / 2
