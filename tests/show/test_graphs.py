"""Trees and the last period's graphs in networkx, whose own algorithms then find what ours found."""

from itertools import pairwise, product

import networkx as nx
import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.process import joint_process
from mechopt.show import graphs
from tests.interdependent_instances import random_environment
from tests.persistent_instances import battaglini, one_item

UNEQUAL = mo.IndependentTypes(
    values=[[[1, 2], [1, 2, 3]], [[5], [5, 6]]],
    probabilities=[[["1/4", "3/4"], ["1/2", "1/3", "1/6"]], [[1], ["1/5", "4/5"]]],
)


def test_histories_are_a_tree_whose_paths_multiply_to_their_reach():
    tree = mo.formats.HistoryTree(UNEQUAL)
    graph = tree.to_networkx()
    assert nx.is_arborescence(graph) and graph.number_of_nodes() == 1 + 2 + 12
    leaves = [node for node in graph if graph.out_degree(node) == 0]
    assert sorted(leaves) == [(2, number) for number in range(12)]
    for node in graph:
        path = nx.shortest_path(graph, (0, 0), node)
        arcs = [graph.edges[arc] for arc in pairwise(path)]
        assert tuple(arc["reports"] for arc in arcs) == graph.nodes[node]["history"] == tree.history(*node)
        assert np.prod([arc["probability"] for arc in arcs]) == pytest.approx(graph.nodes[node]["reach"])
    # by hand: types (1, 0), then (2, 1): 3/4 * 1/6 * 4/5
    (node,) = (node for node in leaves if graph.nodes[node]["history"] == ((1, 0), (2, 1)))
    assert graph.nodes[node]["reach"] == pytest.approx(0.1)


@pytest.mark.parametrize("environment", [battaglini(3), one_item(1)], ids=["one agent", "two agents"])
@pytest.mark.parametrize("record", ["relevant", "all"])
def test_public_histories_are_a_tree_of_reports_and_actions(environment, record):
    tree = mo.formats.PublicTree(joint_process(environment), record=record)
    graph = tree.to_networkx()
    assert nx.is_arborescence(graph)
    assert graph.number_of_nodes() == sum(tree.count) + sum(tree.slots)
    for kind, t, number in graph:
        if kind == "node":
            assert graph.nodes[kind, t, number]["reach"] == pytest.approx(float(tree.reach[t][number]))
            continue
        path = nx.shortest_path(graph, ("slot", 0, 0), ("slot", t, number))
        said = [graph.edges[arc] for arc in pairwise(path)]
        history = tuple((said[k]["reports"], said[k + 1]["action"]) for k in range(0, len(said), 2))
        assert history == graph.nodes[kind, t, number]["history"] == tree.history(t, number)


def test_a_graph_of_the_last_period_has_a_negative_cycle_where_payments_do_not_exist():
    seen = set()
    for seed in range(12):
        env = random_environment(seed, sizes=(2, 3) if seed % 2 else (2, 2, 3))
        shape, rng = env.shape[env.stages - 1], np.random.default_rng(seed)
        for policy in (None, rng.integers(env.action_counts[env.stages - 1], size=shape)):
            found = mo.last_period(env, policy)
            negative = False
            for agent in range(env.agents):
                for others in product(*(range(size) for j, size in enumerate(shape) if j != agent)):
                    graph = found.to_networkx(agent, others)
                    here = nx.negative_edge_cycle(graph)
                    negative = negative or here
                    if found.implementable:
                        distance = nx.single_source_bellman_ford_path_length(graph, 0)
                        largest = np.moveaxis(found.payments.largest[agent], agent, -1)[others]
                        assert [distance[k] for k in range(shape[agent])] == pytest.approx(largest, abs=1e-9)
            assert negative == (not found.implementable)
            seen.add(found.implementable)
            graph = found.to_networkx()
            worst = [graph.edges[arc]["weight"] for arc in graph.edges if graph.edges[arc]["on_cycle"]]
            assert len(worst) == len(found.cycle.signals)
            assert np.mean(worst) == pytest.approx(found.cycle.mean)
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("agent", "others", "words"),
    [(2, [0], "agents go from 0 to 1"), (0, [9], "signal for each other agent"), (0, None, "give an agent")],
)
def test_what_is_not_there_is_refused(agent, others, words):
    env = random_environment(0)
    with pytest.raises(mo.InputError, match=words):
        mo.last_period(env).to_networkx(agent, others)


def test_too_large_a_tree_is_refused_before_it_is_built():
    tree = mo.formats.HistoryTree(mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=40))
    with pytest.raises(mo.errors.LimitError, match="too many for a networkx graph"):
        tree.to_networkx()
    assert sum(tree.count) > graphs.MAX_GRAPH_NODES
