"""Trees of scenarios with the least guarantee: the reduced program, its limit, the files of a search."""

import json
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.proof.certificate import load_certificate
from mechopt.proof.check import check_guarantee
from mechopt.results import TreeFamily
from tests.papers.raw_scenarios import random_scenarios

REST = {"name": "rest", "values": [0], "probabilities": [1]}


def with_rest(scenarios):
    """Every scenario, and each of them followed by an absorbing period."""
    tables = [
        {"name": name, "values": one.exact[0], "probabilities": one.exact[1]}
        for name, one in scenarios.distributions.items()
    ]
    longer = [[*sequence, "rest"] for sequence in scenarios.sequences]
    return mo.Scenarios([*tables, REST], [*scenarios.sequences, *longer])


@pytest.mark.parametrize("shape", ["one period", "one or two", "chain"])
def test_the_reduced_guarantee_is_the_limit_of_finite_tails(shape):
    rng, tried = np.random.default_rng(4), 0
    while tried < 3:
        plain = random_scenarios(rng, shape, most=2)
        if min(env.first_best for env in plain.environments) <= 0:
            continue
        tried += 1
        tree = with_rest(plain)
        limit = mo.mechanisms.reduced_guarantee(tree, "rest")
        finite = [
            mo.maximin(mo.mechanisms.with_finite_tails(tree, "rest", types, epsilon), accept_range=True).ratio
            for types, epsilon in ((6, "1/2"), (13, "1/100"))
        ]
        assert limit <= finite[1] + 1e-7
        assert finite[1] == pytest.approx(limit, abs=0.02)


def test_theorem_5_1_in_its_limit():
    from mechopt.closedform.bank.gap import _first_period

    values, tail = _first_period(1.0, 60, 26.0)
    law = -np.diff(tail, append=0.0)
    first = {"name": "a", "values": values, "probabilities": law}
    tree = mo.Scenarios([first, REST], [["a"], ["a", "rest"]])
    assert mo.mechanisms.reduced_guarantee(tree, "rest") == pytest.approx(mo.reduced_gap(1.0, 60), abs=1e-7)


def test_absorbing_periods_are_last_and_worth_nothing():
    coin = {"name": "a", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
    tree = mo.Scenarios([coin, REST], [["a"], ["a", "rest"]])
    with pytest.raises(mo.InputError, match="'a' is not one of a sure value 0"):
        mo.mechanisms.reduced_guarantee(tree, "a")
    with pytest.raises(mo.InputError, match="goes on after an absorbing period"):
        mo.mechanisms.reduced_guarantee(mo.Scenarios([coin, REST], [["rest", "a"]]), "rest")
    with pytest.raises(mo.InputError, match="nothing can be earned"):
        mo.mechanisms.reduced_guarantee(mo.Scenarios([coin, REST], [["a"], ["rest"]]), "rest")
    assert mo.mechanisms.reduced_guarantee(mo.Scenarios([coin], [["a"], ["a", "a"]])) == pytest.approx(1)


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
    study.write_text(text.replace("types = [1, 2]", 'types = 2\nabsorbing = ["b"]\ntail = 3'))
    status, out = run("search", "tree.toml", "--out", "other", "--json")
    document = json.loads(out)
    assert status == 0
    assert document["limit"] <= document["ratio"] + 1e-9
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
