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


@pytest.mark.parametrize("mechanism", list(cases()), ids=["markov", "independent", "buyers", "controlled"])
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
