"""Comparisons: every mechanism that applies, its guarantee, the constraints it claims, and the tables."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings

import mechopt as mo
from mechopt.study.compare.independent import BUILDERS, ROWS
from tests.instances import environments

HALF = ["1/2", "1/2"]


@settings(max_examples=25, deadline=None)
@given(environments(max_buyers=2, max_periods=3, max_types=3))
def test_every_mechanism_keeps_its_claims_and_its_guarantee(env):
    """The conformance suite: all mechanisms on all shapes of environments, through the verifier."""
    table = mo.compare(env)
    assert {entry.name for entry in table.entries} | set(table.skipped) == {row.name for row in ROWS}
    for entry in table.entries:
        for constraint in entry.claims:
            assert entry.report[constraint].holds, (entry.name, constraint, entry.report[constraint])
        keeps = {constraint for constraint in (mo.DIC(), mo.EPIR()) if entry.report[constraint].holds}
        if len(keeps) == 2 and table.optimum.value > 0:
            assert entry.revenue <= table.optimum.value + 1e-8 * env.money_scale
        if entry.guarantee is not None and not math.isnan(entry.ratio):
            assert entry.ratio >= float(entry.guarantee) - 1e-8
        assert entry.revenue + sum(entry.utilities) == pytest.approx(entry.welfare, abs=1e-8 * env.money_scale)


def test_static_sum_is_the_super_dic_optimum():
    env = mo.IndependentTypes([[[1, 2, 5], [1, 4]]], [[["1/2", "1/4", "1/4"], HALF]])
    table = mo.compare(env, ["repeated-myerson"])
    assert table.static_revenue == pytest.approx(mo.optimum(env, ic=mo.SuperDIC()).value)
    assert table["repeated-myerson"].static_ratio == pytest.approx(1)


def test_tables_and_plot(tmp_path):
    table = mo.compare(mo.IndependentTypes.iid([1, 2], HALF, 3))
    frame = table.to_frame()
    assert frame.index.tolist() == [row.name for row in ROWS if row.name != "two-period"]
    assert {"revenue", "welfare", "ratio", "dic", "epir"} <= set(frame.columns)
    assert frame.loc["clairvoyant-optimum", "revenue"] == pytest.approx(3.5)
    assert bool(frame.loc["clairvoyant-optimum", "super-dic"]) is False
    assert "two periods" in table.skipped["two-period"]
    assert table.to_markdown().count("\n") == len(frame) + 1
    assert table.to_latex().startswith(r"\begin{tabular}")
    axes = table.plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == frame.index.tolist()[::-1]
    table.save_plot(tmp_path / "ratios.svg")
    assert (tmp_path / "ratios.svg").read_text().startswith("<?xml")
    with pytest.raises(mo.InputError, match=r"pictures end in \.png, \.svg or \.pdf"):
        table.save_plot(tmp_path / "ratios.gif")
    assert "<table" in table.to_html(tmp_path / "table.html")
    assert (tmp_path / "table.html").exists()


def test_beyond_the_reach_of_the_program_promises_give_the_optimum():
    table = mo.compare(mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 40))
    assert table.optimum.method == "promised"
    assert set(table.skipped) == {"two-period", "bank-account", "quasi-non-clairvoyant", "clairvoyant-per-period"}
    assert "histories" in table.skipped["quasi-non-clairvoyant"]
    assert "too many histories" in table.skipped["bank-account"]
    for entry in table.entries:
        assert entry.report is None
        assert (entry.conditions is not None) == (entry.name in BUILDERS), entry.name
        assert entry.conditions is None or entry.conditions.holds
        assert 0 <= entry.ratio <= 1 + 1e-6
        assert entry.guarantee is None or entry.ratio >= float(entry.guarantee)
    assert table["clairvoyant-optimum"].ratio == pytest.approx(1)
    assert table["repeated-myerson"].revenue == pytest.approx(40 * 1.4)  # price 2: 2 * 0.7


def test_beyond_the_reach_of_both_closed_forms_remain():
    table = mo.compare(mo.IndependentTypes.iid([1, 2], HALF, 30, agents=2))
    assert table.optimum is None
    assert "out of reach" in table.skipped["clairvoyant-optimum"]
    assert {entry.name for entry in table.entries} == set(BUILDERS) - {"two-period", "quasi-non-clairvoyant"}
    assert all(math.isnan(entry.ratio) for entry in table.entries)


def test_what_the_proof_says_of_the_asymptotic_mechanism_stands_beside_it():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=60)
    table = mo.compare(env, ["asymptotic", "give-for-free"])
    row = table["asymptotic"]
    assert row.proved_revenue == env.first_best - mo.lemmas.asymptotic_loss(env).azuma_bound[-1]
    assert 0 < row.proved_revenue <= row.revenue
    assert f"here {row.proved_revenue / table.optimum.value:.4f}" in table.to_markdown()
    assert table.to_frame()["proved_revenue"]["asymptotic"] == row.proved_revenue
    assert table["give-for-free"].proved_revenue is None
    assert mo.compare(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], 3, cost=1))["asymptotic"].proved_revenue is None


def test_own_mechanisms_and_unknown_names():
    env = mo.IndependentTypes.iid([1, 2], HALF, 3)
    own = mo.compare(env, {"mine": mo.optimum(env, ic=mo.SuperDIC()).mechanism})
    assert own["mine"].ratio == pytest.approx(3 / 3.5)
    with pytest.raises(mo.InputError, match="did you mean 'asymptotic'"):
        mo.compare(env, ["asymtotic"])
    with pytest.raises(mo.InputError, match="two periods"):
        mo.compare(env, ["two-period"])
    with pytest.raises(KeyError):
        own["yours"]


def test_where_the_tree_is_too_large_conditions_speak_for_the_constraints():
    env = mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 40)
    table = mo.compare(env, ["asymptotic", "clairvoyant-optimum"])
    assert set(table["asymptotic"].implied) == mo.formats.closure([mo.PPIC(), mo.INDU(), mo.PFIR(), mo.PEIR()])
    assert mo.ExPostIC() in set(table["asymptotic"].claims) - set(table["asymptotic"].implied)
    frame = table.to_frame()
    assert frame.loc["asymptotic", ["dic", "epir", "ppic", "indu", "prefix", "per-period-expected"]].all()
    assert frame.loc["asymptotic", ["super-dic", "per-period"]].isna().all()
    assert frame.loc["clairvoyant-optimum", "dic"] is None
    header, rows = table.cells()
    assert rows[0][header.index("satisfies")].startswith("by (IC), (BI), (BU): ")
    assert rows[1][header.index("satisfies")] == "not checked"


def test_conditions_that_fail_are_named_and_imply_nothing():
    env = mo.IndependentTypes.iid([1, 2, 4], ["3/10", "4/10", "3/10"], 40)
    kept = mo.asymptotic(env)

    def stage(t, balance):
        made = kept.stage(t, balance)
        return replace(made, payment=made.payment + 5.0) if t == 39 else made

    table = mo.compare(env, {"spoiled": replace(kept, stage=stage)})
    entry = table["spoiled"]
    assert (entry.implied, entry.conditions["IC"].holds, entry.conditions["BI"].holds) == ((), True, False)
    header, rows = table.cells()
    assert "(BI)" in rows[0][header.index("violates")]
    assert table.to_frame().loc["spoiled", "dic"] is None
