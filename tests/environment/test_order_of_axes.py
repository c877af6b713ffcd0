"""Lists with periods first, or actions before agents, are refused with the right order."""

import pytest

import mechopt as mo


def errors(build):
    with pytest.raises(mo.InputError) as error:
        build()
    return {fault.where: str(fault) for fault in error.value.faults}


def by_period_first(nested):
    return list(zip(*nested, strict=True))


THREE = {
    "independent": lambda turn: mo.IndependentTypes(
        turn([[[1, 2]] * 3] * 2), turn([[["1/2", "1/2"]] * 3] * 2), [0, 1, 2]
    ),
    "markov": lambda turn: mo.MarkovTypes(
        turn([[[[0, 0], [1, 2]]] * 3] * 2),
        turn([[[[1, 0], [0, 1]]] * 3] * 2),
        [["1/2", "1/2"]] * 2,
        types=turn([[["low", "high"]] * 3] * 2),
        horizon=3,
    ),
    "interdependent": lambda turn: mo.InterdependentTypes(
        turn([[[[[0, 1], [1, 2]]] * 2] * 3] * 2),
        [[[["1/2", 0], [0, "1/2"]]] * 2] * 2,
        [["1/2", 0], [0, "1/2"]],
        types=turn([[["low", "high"]] * 3] * 2),
        horizon=3,
    ),
}


@pytest.mark.parametrize("build", THREE.values(), ids=THREE)
def test_lists_by_period_first_are_refused_with_the_right_order(build):
    assert build(list).agents == 2
    found = errors(lambda: build(by_period_first))
    for name in found.keys() - {"cost"}:
        assert f"give {name}[i][t], the agent first" in found[name]
    assert "values" in found


def test_one_argument_in_the_wrong_order_is_named_alone():
    found = errors(
        lambda: mo.MarkovTypes(
            [[[[0, 0], [1, 2]]] * 3] * 2,
            by_period_first([[[[1, 0], [0, 1]]] * 3] * 2),
            [["1/2", "1/2"]] * 2,
            horizon=3,
        )
    )
    assert found == {
        "kernel": "kernel: fits the rest with its first two axes exchanged; give kernel[i][t], the agent first"
    }


def test_as_many_agents_as_periods_are_told_apart_by_their_types():
    values = [[[[0], [1]]] * 2, [[[0, 0], [1, 2]]] * 2]  # agent 0 has one type, agent 1 two
    kernel, initial = [[[[1]]] * 2, [[[1, 0], [0, 1]]] * 2], [[1], ["1/2", "1/2"]]
    assert mo.MarkovTypes(values, kernel, initial, horizon=2).shape == ((1, 2),) * 2
    found = errors(lambda: mo.MarkovTypes(by_period_first(values), kernel, initial, horizon=2))
    assert "give values[i][t], the agent first" in found["values"]
    assert len(found) > 1  # with what lengths say by themselves


def test_separable_parts_by_action_first():
    base = [[[0, 0], [0, 1], [0, 2]]] * 2
    common = {"signal_initial": [["1/4", "3/4"]] * 2, "horizon": 1}
    build = lambda base: mo.SeparableTypes([[1, 2]] * 2, [["1/2", "1/2"]] * 2, base, **common)  # noqa: E731
    assert build(base).agents == 2
    assert "give base[i][action][signal], the agent first" in errors(lambda: build(by_period_first(base)))["base"]


def test_where_shapes_cannot_tell_the_lengths_themselves_are_named():
    found = errors(lambda: mo.IndependentTypes([[[1, 2]] * 3] * 2, [[["1/2", "1/2"]] * 2] * 3))
    assert "is for 3 buyers, values for 2" in found["probabilities"]
