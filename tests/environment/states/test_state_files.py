"""Public states in model files, what is wrong with them, what is refused and what commands say."""

from __future__ import annotations

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError, LimitError
from mechopt.families import PublicState, PublicStates, demand_states, inventory

Status = mo.results.Status


FILE = """kind = "markov"
horizon = 2
actions = ["keep", "sell"]

[[agents]]
name = "buyer"
types = ["low", "high"]
initial = ["1/2", "1/2"]
kernel = [["3/4", "1/4"], ["1/4", "3/4"]]
values = [[0, 0], [1, 3]]

[[states]]
name = "stock"
values = ["0", "1"]
initial = [0, 1]
kernel = [[[1, 0], [0, 1]], [[1, 0], [1, 0]]]
forbidden = { "0" = ["sell"] }
"""


def test_files_and_back(tmp_path):
    env = mo.loads(FILE)
    assert env.types[0][0] == ("low (stock 0)", "high (stock 0)", "low (stock 1)", "high (stock 1)")
    assert mo.loads(env.to_toml()) == env and mo.loads(env.to_toml()).fingerprint == env.fingerprint
    same = inventory(1, [[1, 3]], [["1/2", "1/2"]], [[["3/4", "1/4"], ["1/4", "3/4"]]], horizon=2)
    assert mo.optimum(env).value == pytest.approx(mo.optimum(same).value)
    assert mo.loads(same.to_toml()) == same
    demand = demand_states(
        {"low": 1, "high": 2}, [1, 0], [["1/2", "1/2"]] * 2, [[1, 3]], [["1/2", "1/2"]], [[[1, 0], [0, 1]]], 2
    )
    assert mo.loads(demand.to_toml()) == demand
    best = mo.optimum(env).mechanism
    best.save(tmp_path / "best.npz")
    again = mo.load_mechanism(tmp_path / "best.npz", env)
    assert again.revenue == best.revenue and mo.verify(again).holds
    assert mo.Mechanism.from_frame(best.to_frame(), env).revenue == pytest.approx(best.revenue)
    by_state = FILE.replace("values = [[0, 0], [1, 3]]", "values_by_state = [[[0, 0], [0, 0]], [[0, 0], [1, 3]]]")
    assert mo.optimum(mo.loads(by_state)).value == pytest.approx(mo.optimum(env).value)


WRONG = {
    "action": ('["sell"]', '["sel"]', "states[0].forbidden.0", "did you mean 'sell'?"),
    "value": ('{ "0"', '{ "9"', "states[0].forbidden.9", "known: 0, 1"),
    "sum": ("[[[1, 0], [0, 1]]", '[[["1/2", 0], [0, 1]]', "states[0].kernel[0][0]", "sums to 0.5, not 1"),
    "rows": ("[[1, 0], [1, 0]]]", "[[1, 0]]]", "states[0].kernel[1]", "has 1 rows for 2 values"),
    "actions": ("[[[1, 0], [0, 1]], [[1, 0], [1, 0]]]", "[[[1, 0], [0, 1]]] ", None, None),
    "many": (
        "[[1, 0], [1, 0]]]",
        "[[1, 0], [1, 0]], [[1, 0], [1, 0]]]",
        "states[0].kernel",
        "is for 3 actions, there are 2",
    ),
    "gains": (
        "forbidden =",
        "seller_values = [[0, 5]]\nforbidden =",
        "states[0].seller_values",
        "is for 1 actions, there are 2",
    ),
    "initial": ("initial = [0, 1]", "initial = [1]", "states[0].initial", "has 1 entries for 2 values"),
    "none": ('["sell"]', '["keep", "sell"]', "states", "leaves no action in period 0 at stock 0"),
    "key": ("forbidden =", "forbiden =", "states[0].forbiden", "did you mean"),
    "infinite": (
        "horizon = 2",
        'horizon = "infinite"\\ndiscount = 0.9',
        "horizon",
        "public states need a number of periods",
    ),
    "names": ('values = ["0", "1"]', "values = [0, 1]", "states[0].values", "is not a list of names"),
    "by-state": (
        "values = [[0, 0], [1, 3]]",
        "values_by_state = [[[0, 0], [1, 3]]]",
        "agents[0].values_by_state",
        "has shape",
    ),
}


@pytest.mark.parametrize(("old", "new", "where", "what"), WRONG.values(), ids=WRONG)
def test_bad_input(old, new, where, what):
    text = FILE.replace(old, new.replace("\\n", "\n"), 1)
    assert text != FILE
    if where is None:
        mo.loads(text)  # one matrix is for every action
        return
    with pytest.raises(InputError) as caught:
        mo.loads(text)
    assert where in str(caught.value) and what in str(caught.value)


def test_refusals():
    env = mo.loads(FILE)
    with pytest.raises(InputError, match="public states are not in its theorem"):
        mo.dynamic_pivot(env)
    with pytest.raises(InputError, match="dual"):
        mo.optimum(env, method="dual")
    with pytest.raises(InputError, match="public states"):
        mo.mechanisms.dual_optimum(env)
    with pytest.raises(InputError, match="rules out"):
        tree = mo.optimum(env).mechanism.tree
        sold = [np.tile([0.0, 1.0], (tree.count[0], 1)), np.tile([0.0, 1.0], (tree.count[1], 1))]
        mo.SequenceMechanism(tree, sold, [np.zeros((1, n, b)) for n, b in zip(tree.count, tree.branches, strict=True)])
    with pytest.raises(InputError, match="all of them at once"):
        PublicStates(env, PublicState(["only"], [1]))
    with pytest.raises(LimitError, match="fewer states"):
        inventory(40, [[1, 2]] * 2, [["1/2", "1/2"]] * 2, [[[1, 0], [0, 1]]] * 2, horizon=2)
    with pytest.raises(InputError, match="units: is 0"):
        inventory(0, [[1]], [[1]], [[[1]]], horizon=1)


def test_compare_explain_and_commands():
    env = mo.loads(FILE)
    table = mo.compare(env)
    assert "efficient-welfare" in table.to_frame().index
    text = str(mo.explain(mo.optimum(env)))
    assert "stock" in text and "sell" in text
    runs = mo.optimum(env).mechanism.simulate(0, 4000)
    assert runs.revenue == pytest.approx(mo.optimum(env).value, abs=5 * runs.revenue_error)
