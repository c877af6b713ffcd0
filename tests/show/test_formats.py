"""Formats: an extensive game read back by a reader of the tests' own, a graph, a LaTeX table."""

import re

import numpy as np
import pytest

import mechopt as mo
from tests.persistent_instances import battaglini, random_markov


def read_efg(text):
    """Title, players and the tree: (kind, player, information set, labels, numbers, children)."""
    head, *lines = [line for line in text.splitlines() if line and line != '""']
    players = re.findall(r'"([^"]*)"', head)[1:]
    rows = iter(lines)

    def node():
        row = next(rows)
        inside = row[row.index("{") + 1 : row.index("}")]
        labels = re.findall(r'"([^"]*)"', inside)
        numbers = [float(x) for x in re.sub(r'"[^"]*"', "", inside).split()]
        if row[0] == "t":
            return ("t", None, None, [], numbers, [])
        player = int(row.split()[2]) if row[0] == "p" else None
        number = int(row.split()[3 if row[0] == "p" else 2])
        return (row[0], player, number, labels, numbers, [node() for _ in labels])

    tree = node()
    assert next(rows, None) is None
    return players, tree


def truthful(tree, names):
    """Expected payoffs when each report is the type that nature drew last for that agent."""
    kind, player, _, labels, numbers, children = tree
    if kind == "t":
        return np.array(numbers)
    if kind == "p":
        return truthful(children[labels.index(names[player - 1])], names)
    payoffs = 0
    for label, chance, child in zip(labels, numbers, children, strict=True):
        drawn = label.split("/")
        types = drawn if child[0] == "p" and len(drawn) == len(names or drawn) else names
        payoffs = payoffs + chance * truthful(child, types)
    return payoffs


def cases():
    yield mo.optimum(battaglini(3)).explain().mechanism
    yield mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=4 - 1)).mechanism
    yield mo.optimum(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2, agents=2)).mechanism
    yield mo.optimum(random_markov(3, agents=1, periods=2, actions=2, controlled=True)).mechanism
    types = [[[1, 2]] * 3], [[["1/2", "1/2"]] * 3]
    impatient = mo.IndependentTypes(*types, discount="9/10", discounts=["3/5"])
    yield mo.optimum(impatient, subject_to="no-subsidy").mechanism


IDS = ["markov", "independent", "buyers", "controlled", "impatient"]


@pytest.mark.parametrize("mechanism", list(cases()), ids=IDS)
def test_the_truthful_payoffs_of_the_game_are_the_utilities_and_the_revenue(mechanism, tmp_path):
    path = tmp_path / "game.efg"
    count = mo.formats.to_efg(mechanism, path, 'a "title"')
    text = path.read_text()
    players, tree = read_efg(text)
    assert count == len([line for line in text.splitlines() if line[:2] in ("c ", "p ", "t ")])
    names = [None] * (len(players) - 1)
    payoffs = truthful(tree, names)
    assert payoffs == pytest.approx([*mechanism.utilities, mechanism.revenue], abs=1e-9)


def test_a_node_of_an_information_set_has_the_actions_of_the_others(tmp_path):
    mo.formats.to_efg(mo.optimum(battaglini(3)).mechanism, tmp_path / "game.efg")
    actions = {}

    def walk(node):
        kind, player, number, labels, _, children = node
        if kind == "p":
            assert actions.setdefault((player, number), labels) == labels
        for child in children:
            walk(child)

    walk(read_efg((tmp_path / "game.efg").read_text())[1])
    assert len(actions) > 1


def test_labels_of_information_sets_are_unique(tmp_path):
    """One label a set, one set a label, nature's among them."""
    two = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2, agents=2)
    mo.formats.to_efg(mo.optimum(two).mechanism, tmp_path / "game.efg")
    labels = {}
    for line in (tmp_path / "game.efg").read_text().splitlines():
        if found := re.match(r'(p "" \d+|c "") (\d+) "([^"]+)"', line):
            kind, number, label = found.groups()
            assert labels.setdefault(label, (kind, number)) == (kind, number)
    assert len(labels) == len(set(labels.values())) > 4


def test_a_game_that_is_too_large_is_refused(tmp_path):
    with pytest.raises(mo.errors.LimitError, match="nodes"):
        mo.formats.to_efg(mo.optimum(battaglini(8)).mechanism, tmp_path / "game.efg")
    assert not (tmp_path / "game.efg").exists()


def test_the_graph_of_states_carries_all_probability():
    found = mo.optimum(battaglini(3)).explain()
    graph = found.to_networkx()
    assert sum(chance for start, _, chance in graph.edges(data="probability") if start[0] == 1) == pytest.approx(1)
    assert {data["state"] for _, data in graph.nodes(data=True)} == {state.name for state in found.states}


def test_the_latex_table_escapes_names():
    env = mo.MarkovTypes(
        [[[0, 0], [1, 3]]], [[["3/4", "1/4"], ["1/4", "3/4"]]], [["1/2", "1/2"]], types=[["lo_w", "50%"]], horizon=2
    )
    latex = mo.optimum(env).explain().to_latex()
    assert latex.startswith(r"\begin{tabular}{llllrl}") and r"50\%" in latex and "lo_w" not in latex


@pytest.mark.parametrize("mechanism", list(cases()), ids=IDS)
def test_labelled_arrays_have_the_numbers_of_the_frame(mechanism):
    """Revenue and probabilities by sums over the labelled arrays; each row of the data frame at its labels."""
    arrays = mo.formats.to_xarray(mechanism)
    periods = arrays.sizes["period"]
    revenue = 0.0
    for t in range(periods):
        chance, worth = arrays[f"probability_{t}"], float(arrays["present_value"][t])
        assert float(chance.sum()) == pytest.approx(1)
        revenue += worth * float((chance * arrays[f"payment_{t}"]).sum())
        costs = getattr(mechanism.environment, "costs", {t: 0.0})[t]  # by action; 0 for the independent ones here
        drawn = (chance * arrays[f"allocation_{t}"]).transpose(..., f"action_{t}")
        revenue -= worth * float((drawn * costs).sum())
        known = arrays[f"allocation_{t}"].sum(f"action_{t}", skipna=False)
        assert np.nanmax(np.abs(known - 1)) < 1e-9
    assert revenue == pytest.approx(mechanism.revenue)
    assert arrays.attrs["revenue"] == pytest.approx(mechanism.revenue)


def test_labelled_arrays_are_selected_by_names():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2, agents=2)
    best = mo.optimum(env).mechanism
    arrays = mo.formats.to_xarray(best)
    here = {"report_0_buyer_0": "2", "report_0_buyer_1": "1", "report_1_buyer_0": "1", "report_1_buyer_1": "2"}
    paid = arrays["payment_1"].sel(here | {"agent": "buyer 1"})
    assert float(paid) == pytest.approx(best.payment[1][1, 2, 0, 1])
    sold = arrays["allocation_1"].sel(here | {"action_1": "sell to 1"})
    assert float(sold) == pytest.approx(best.allocation[1][1, 2, 0, 1])


def test_too_many_combinations_for_an_array_are_refused():
    env = mo.IndependentTypes.iid(range(1, 7), ["1/6"] * 6, horizon=6)
    free = mo.give_for_free(env).to_mechanism()
    with pytest.raises(mo.errors.LimitError, match="too many"):
        from mechopt.show import arrays

        limit, arrays.MOST_ENTRIES = arrays.MOST_ENTRIES, 1000
        try:
            mo.formats.to_xarray(free)
        finally:
            arrays.MOST_ENTRIES = limit


def ends(node):
    """Payoffs of all terminal nodes."""
    return [node[4]] if node[0] == "t" else [payoffs for child in node[5] for payoffs in ends(child)]


@pytest.mark.parametrize("mechanism", list(cases()), ids=IDS)
def test_gambit_itself_reads_the_same_game(mechanism, tmp_path):
    """Gambit demands that probabilities sum to exactly one; every player's payoffs have the same range in its game."""
    gambit = pytest.importorskip("pygambit", reason="needs pygambit 17 (a pre-release)")
    path = tmp_path / "game.efg"
    mo.formats.to_efg(mechanism, path, 'a "title"')
    game = gambit.read_efg(path)
    payoffs = np.array(ends(read_efg(path.read_text())[1]))
    players = list(game.players)
    assert len(players) == payoffs.shape[1] and game.is_perfect_recall
    for player, column in zip(players, payoffs.T, strict=True):
        assert float(game.get_max_payoff(player)) == pytest.approx(column.max())
        assert float(game.get_min_payoff(player)) == pytest.approx(column.min())
