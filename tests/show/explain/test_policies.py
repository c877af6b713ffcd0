"""Mechanisms explained from their own tables: what the tables say is what the mechanism earns and does."""

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.show.explain.policies.explanation import PolicyExplanation, explain_policy
from mechopt.show.explain.policies.flow import flows
from mechopt.show.explain.policies.merging import merged
from mechopt.show.explain.policies.ranges import action_words, range_words
from mechopt.show.explain.policies.tables import tables_of
from mechopt.solve.dual.optimum import dual_optimum
from mechopt.solve.promised.optimum import promised_optimum
from mechopt.solve.solution import Bound, Status
from tests.browser import WITHOUT, accessibility_faults, browser, chromium, visit
from tests.pages import Page

STAY = [["1/2", "1/4", "1/4"], ["1/4", "1/2", "1/4"], ["0", "1/4", "3/4"]]


def subscription(horizon, discount="9/10", cost=(0, 0)):
    return mo.MarkovTypes(
        [[[0, 0, 0], [1, 2, 4]]],
        [STAY],
        [["1/3"] * 3],
        discount=discount,
        horizon=horizon,
        cost=list(cost),
        types=[["low", "mid", "high"]],
        actions=["keep", "sell"],
    )


def fresh(buyers, horizon, cost=0):
    values = [[1, 2]] * buyers
    return mo.IndependentTypes(
        [[row] * horizon for row in values],
        [[["1/3", "2/3"]] * horizon] * buyers,
        discount="9/10",
        cost=cost,
    )


CASES = {
    "promises": lambda: promised_optimum(fresh(1, 6, Fraction(1, 2))).mechanism,
    "promises of interim participation": lambda: promised_optimum(fresh(1, 4), mo.Interim()).mechanism,
    "bank table": lambda: promised_optimum(fresh(1, 6, Fraction(1, 2))).mechanism.to_bank_table(),
    "two buyers' promises": lambda: dual_optimum(fresh(2, 3, Fraction(1, 2))).mechanism,
    "promises to a persistent type": lambda: dual_optimum(subscription(4, cost=(0, "1/2")), ir=mo.Interim()).mechanism,
    "persistent, on every path": lambda: dual_optimum(subscription(4)).mechanism,
    "states for ever": lambda: mo.optimum(subscription("infinite", cost=(0, "1/2"))).mechanism,
    "pivot for ever": lambda: mo.dynamic_pivot(subscription("infinite", cost=(0, "1/2"))).to_mechanism(),
}


def revenue(tables, environment):
    """Payments less costs from the tables alone, by plain loops over entries, reports and what follows."""
    horizon = len(tables.blocks) if not tables.endless else 400
    cost = environment.cost
    mass, total, present = {0: 1.0}, 0.0, 1.0
    for t in range(horizon):
        block = tables.blocks[min(t, len(tables.blocks) - 1)]
        after, profiles = block.after, block.belief.shape[1]
        following = {}
        for entry, reached in mass.items():
            for k in range(profiles):
                chance = reached * block.belief[entry, k]
                total += chance * present * block.payment[:, entry, k].sum()
                for a, x in enumerate(block.allocation[entry, k]):
                    each = float(np.asarray(cost).ravel()[t]) if environment.kind == "independent" else None
                    paid = (each if a else 0.0) if each is not None else float(environment.costs[0][a])
                    total -= chance * present * x * paid
                if after is not None and chance:
                    row = after[[entry * profiles + k]].tocoo()
                    for end, weight in zip(row.coords[1].tolist(), row.data.tolist(), strict=True):
                        following[end] = following.get(end, 0.0) + chance * weight
        mass = following
        present *= float(environment.discount)
    return total


@pytest.mark.parametrize("name", CASES)
def test_tables_earn_what_the_mechanism_earns(name):
    mechanism = CASES[name]()
    found = explain_policy(mechanism)
    assert sum(state.share for state in found.states) == pytest.approx(1, abs=1e-9)
    assert revenue(found.tables, mechanism.environment) == pytest.approx(mechanism.revenue, rel=1e-6)
    for block in found.tables.blocks:
        assert np.allclose(block.allocation.sum(axis=2)[block.possible], 1)
        assert block.after is None or np.allclose(
            block.after.sum(axis=1).reshape(block.possible.shape)[block.possible], 1
        )


@pytest.mark.parametrize("name", CASES)
def test_every_rule_covers_its_entries(name):
    """Each entry's payments and next states lie in those of the state that it stands in, read from the frame."""
    found = explain_policy(CASES[name]())
    rules = {state.name: state for state in found.states}
    frame = found.to_frame()
    for row in frame.itertuples(index=False):
        i = found.agents.index(row.agent)
        assert any(rule.lowest[i] - 1e-9 <= row.payment <= rule.highest[i] + 1e-9 for rule in rules[row.state].rules), (
            row
        )
    assert set(frame["state"]) == set(rules)
    assert frame.groupby(["period", "entry"])["share"].first().sum() == pytest.approx(1)


def test_long_horizons_are_told_by_balances_and_nothing_is_written_out(monkeypatch):
    """Thirty periods have 2^30 histories; written out they would be refused."""
    best = mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=30))
    monkeypatch.setattr(type(best.mechanism), "to_mechanism", lambda self: pytest.fail("written out"))
    found = best.explain()
    assert isinstance(found, PolicyExplanation)
    start, *others = found.states
    assert start.words == "start" and len(found.states) <= 6
    rich = next(state for state in others if all(rule.then == "sell" for rule in state.rules))
    assert {rule.pays for rule in rich.rules} == {"3/2"}  # the mean of the values, with which everything is bought
    assert any("balance" in line for line in found.structures)


def test_one_type_for_ever_is_one_state():
    env = mo.MarkovTypes([[[0], [3]]], [[[1]]], [[1]], discount="1/2", actions=["keep", "sell"])
    found = mo.optimum(env).explain()
    assert len(found.states) <= 2 and found.report.holds and found.exactly
    assert found.value == pytest.approx(6)


def test_text_fits_80_columns_and_names_types(capsys):
    best = mo.optimum(subscription("infinite"))
    best.show()
    told = capsys.readouterr().out.splitlines()
    assert max(map(len, told)) <= 80 and any("low, mid" in line for line in told)
    assert "verified: bayesian satisfied" in "\n".join(told).lower()
    assert best.explain()._repr_html_().count("<tr>") >= 5


def test_the_page_has_the_rules_and_no_script(tmp_path):
    best = mo.optimum(subscription("infinite"))
    found = best.explain()
    found.to_html(tmp_path / "page.html", "<b>for ever</b>")
    page = Page((tmp_path / "page.html").read_text())
    assert not page.scripts and "<b>for" not in (tmp_path / "page.html").read_text()
    rows = [row for row in page.tables["states"][1:] if len(row) == 4]
    assert [tuple(row[:3]) for row in rows] == [
        (rule.reports, rule.then, rule.pays) for state in found.states for rule in state.rules
    ]


def test_what_is_not_proved_is_said():
    """Tables whose bracket is open are shown with both ends, and are not called optimal."""
    best = mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=20))
    best = replace(best, status=Status.TIME_LIMIT, bound=Bound(best.value, 30.0, "by hand"))
    found = best.explain()
    assert found.note.startswith("not proved optimal") and "more than 30" in found.note
    assert not found.goal.startswith("optimal")


def test_a_limit_of_histories_names_what_is_missing():
    with pytest.raises(mo.InputError, match="no states of its own"):
        tables_of(object())


def test_show_prints_on_standard_output_alone():
    out = io.StringIO()
    with redirect_stdout(out):
        mo.optimum(subscription("infinite")).show()
    assert out.getvalue().startswith("optimal revenue")


def test_compare_for_ever_has_the_optimum_and_shares_of_it():
    table = mo.compare(subscription("infinite"))
    first = table["clairvoyant-optimum"]
    assert first.ratio == pytest.approx(1)
    assert first.revenue == pytest.approx(table.optimum.value) and first.report.holds
    others = [row for row in table.entries if row.name != first.name and row.computed != "bound"]
    assert others and all(row.ratio <= 1 + 1e-6 for row in others if row.report and row.report["interim"].holds)
    assert next(row for row in table.entries if row.name == "efficient-welfare").ratio >= 1
    assert 'id="rules"' in table.to_html()


def stepped(tables, groups, periods):
    """Probability of (period, state, next state) by plain loops over entries and reports."""
    mass, found = {0: 1.0}, {}
    for t in range(periods - 1):
        block = tables.blocks[min(t, len(tables.blocks) - 1)]
        here, there = groups[min(t, len(groups) - 1)], groups[min(t + 1, len(groups) - 1)]
        profiles, following = block.belief.shape[1], {}
        for entry, reached in mass.items():
            for k in range(profiles):
                row = block.after[[entry * profiles + k]].tocoo()
                for end, chance in zip(row.coords[1].tolist(), row.data.tolist(), strict=True):
                    moved = reached * block.belief[entry, k] * chance
                    following[end] = following.get(end, 0.0) + moved
                    key = t, int(here[entry]), int(there[end])
                    found[key] = found.get(key, 0.0) + moved
        mass = following
    return {key: chance for key, chance in found.items() if chance > 1e-9}


@pytest.mark.parametrize("name", CASES)
def test_flow_between_states_by_loops(name):
    found = explain_policy(CASES[name]())
    groups, _ = merged(found.tables)
    periods = 9 if found.tables.endless else len(found.tables.blocks)
    assert flows(found) == pytest.approx(stepped(found.tables, groups, periods))
    axes = found.plot()
    assert axes.get_xlabel() == "period" and axes.get_title(loc="left").startswith(found.summary)
    assert {text.get_text() for text in axes.texts} <= {state.name for state in found.states}
    graph = found.to_networkx()
    if found.tables.endless:
        assert sum(graph.nodes[node]["share"] for node in graph) == pytest.approx(1)
        for state in graph:
            leaving = sum(edge["probability"] for _, _, edge in graph.out_edges(state, data=True))
            assert leaving == pytest.approx(1)
    else:
        assert sum(edge["probability"] for *_, edge in graph.edges(data=True)) == pytest.approx(periods - 1)
    latex = found.to_latex()
    assert latex.count(r"\\") == 1 + sum(len(state.rules) for state in found.states)
    assert latex.startswith(r"\begin{tabular}") and found.states[0].words in latex


@pytest.mark.skipif(chromium() is None, reason=WITHOUT)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 375)])
def test_page_in_a_browser(tmp_path, scheme, width):
    """Headers above their columns with room between them, nothing wider than a phone, nothing that axe minds."""
    explain_policy(CASES["states for ever"]()).to_html(tmp_path / "page.html", title="For ever")
    with browser() as started, visit(started, tmp_path / "page.html", scheme, width) as found:
        page = found.page
        for table in page.locator("table").all():
            heads = [head.bounding_box() for head in table.locator("thead th").all()]
            cells = [cell.bounding_box() for cell in table.locator("tbody tr").last.locator("td").all()]
            texts = [
                head.evaluate("e => parseFloat(getComputedStyle(e).paddingLeft)") for head in table.locator("th").all()
            ]
            assert min(texts) >= 4
            for head, cell in zip(heads, cells, strict=True):
                assert head["x"] == pytest.approx(cell["x"], abs=1)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert accessibility_faults(page) == [] and found.complaints == []


def test_what_is_rounding_is_not_shown():
    """Amounts by each agent's own largest value, chances by 1."""
    scales, tiny = (3.0, 1e-3), np.array([1e-8, 2e-4])
    assert range_words(tiny, tiny, scales) == "0 / 0.0002"
    assert range_words(np.array([-1e-7]), np.array([2.0]), (3.0,)) == "0 to 2"
    chances = np.array([0.0, 1 - 3e-5, 3e-5])
    assert action_words(("keep", "to Ann", "to Bob"), chances, chances) == "to Ann"
    half = np.array([0.5, 0.5 - 1e-6, 1e-6])
    assert action_words(("keep", "to Ann", "to Bob"), half, half) == "to Ann with 0.5"


def test_no_state_is_left_empty_where_only_the_first_entry_acts_as_it_does():
    """Three buyers for ever: too many states to be told apart exactly, so that they are grouped by what is done."""
    values, chances = [[2, 3], ["1/3", 2, 5], ["1/2", "5/2"]], [["1/3", "2/3"], ["1/3"] * 3, ["1/2", "1/2"]]
    buyers = "".join(
        f"[[buyers]]\nvalues = {json.dumps(v)}\nprobabilities = {json.dumps(p)}\n"
        for v, p in zip(values, chances, strict=True)
    )
    best = mo.optimum(mo.loads('kind = "independent"\nhorizon = "infinite"\ndiscount = "1/2"\n' + buyers))
    found = best.explain()
    groups, _ = merged(found.tables)
    assert sorted(set(np.concatenate(groups).tolist())) == list(range(len(found.states)))
    assert sum(state.share for state in found.states) == pytest.approx(1)
