"""The tree of a mechanism: every history of positive probability, with its width, its allocation and its payment."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import mechopt as mo
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.mechanism.sequence import SequenceMechanism
from mechopt.show.figures.comparison import BAR
from mechopt.show.figures.tree import MOST_LEAVES, THINNEST, WIDEST, mechanism_tree


def texts(axes, which):
    """Labels of histories ("pays") or reports, from the root on and downwards."""
    found = [text for text in axes.texts if ("pays" in text.get_text()) == (which == "pays")]
    return [text.get_text() for text in sorted(found, key=lambda text: (text.xy[0], -text.xy[1]))]


def edges(axes):
    """Lines from parents to children: (period, height of the parent, height of the child, width)."""
    lines = [line for line in axes.lines if len(line.get_xdata()) == 4]
    return [(line.get_xdata()[0], line.get_ydata()[0], line.get_ydata()[-1], line.get_linewidth()) for line in lines]


def marks(axes):
    return {(line.get_xdata()[0], line.get_ydata()[0]): line for line in axes.lines if len(line.get_xdata()) == 1}


@pytest.fixture
def sale():
    """Two periods, types 1 and 2, the high one with probability 3/4; sold at 2, then given away after a high report."""
    env = mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=2)
    allocation = [np.array([[[0.5, 1]]]), np.array([[[0, 0.25], [1, 1]]])]
    payment = [np.array([[[0.5, 2]]]), np.array([[[0, 0.5], [-1, 1 / 3]]])]
    return mo.Mechanism(env, allocation, payment)


def test_histories_are_labelled_with_reports_allocation_and_payment(sale):
    axes = Figure().subplots()
    assert mechanism_tree(sale, axes) is axes
    assert texts(axes, "reports") == ["1", "2", "1", "2", "1", "2"]
    first, second = ["0.5, pays 0.5", "1, pays 2"], ["0, pays 0", "0.25, pays 0.5", "1, pays -1", "1, pays 0.3333"]
    assert texts(axes, "pays") == [*first, *second]


def test_widths_are_the_probabilities_of_the_histories(sale):
    axes = mechanism_tree(sale)
    widths = [width for _, _, _, width in edges(axes)]
    assert widths == pytest.approx([WIDEST * p for p in (1 / 4, 3 / 4, 1 / 16, 3 / 16, 3 / 16, 9 / 16)], abs=THINNEST)
    assert min(widths) == THINNEST  # of probability 1/16


def test_a_history_hangs_on_its_own_past(sale):
    drawn = edges(mechanism_tree(sale))
    children = {child for period, _, child, _ in drawn if period == 0}
    assert len(children) == 2 and {parent for period, parent, _, _ in drawn if period == 1} == children
    low = max(children)
    assert [child for period, parent, child, _ in drawn if (period, parent) == (1, low)] == [0, -1]


def test_fill_is_the_probability_of_the_item(sale):
    drawn = marks(mechanism_tree(sale))
    fills = [to_hex(drawn[2, -height].get_markerfacecolor()) for height in range(4)]
    assert fills[0] == "#ffffff" and fills[2] == fills[3] == BAR
    assert 0xC0 < int(fills[1][1:3], 16) < 0xFF  # a quarter of the way to dark


def test_types_of_probability_zero_are_left_out():
    env = mo.IndependentTypes([[[1, 2, 3], [5]]], [[["1/2", 0, "1/2"], [1]]])
    axes = mechanism_tree(mo.give_for_free(env).to_mechanism())
    assert texts(axes, "reports") == ["1", "3", "5", "5"]


def test_the_agent_whose_payments_are_shown_is_chosen():
    env = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=1, agents=2)
    pay = np.zeros((2, 1, 2, 2))
    pay[1, 0, 0, 1] = 7
    axes = mechanism_tree(mo.Mechanism(env, [np.zeros((2, 1, 2, 2))], [pay]), agent=1)
    assert texts(axes, "reports") == ["1, 1", "1, 2", "2, 1", "2, 2"]
    assert texts(axes, "pays") == ["0, pays 0", "0, pays 7", "0, pays 0", "0, pays 0"]
    assert "agent 1" in axes.get_title(loc="left")


@pytest.fixture
def moved():
    """The first action decides on the type of period 1: "wait" leaves it low, "train" makes it high."""
    low, high = [[1, 0], [1, 0]], [[0, 1], [0, 1]]
    env = mo.MarkovTypes(
        [[[0, 0], [2, 4]]],
        [[low, high]],
        [["1/2", "1/2"]],
        types=[["low", "high"]],
        actions=["wait", "train"],
        horizon=2,
    )
    tree = PublicTree(joint_process(env), "any")
    half = np.array([[0.25, 0.75], [1, 0]])  # after "low" trained with 3/4, after "high" never
    weights = [half, np.zeros((tree.count[1], 2))]
    weights[1][:, 1] = half.ravel()[tree.slot[1]]
    payment = [np.zeros((1, 2, 2)), 3 * weights[1][None, :, 1:]]
    payment[0][0, 0] = [0.25 * 1, 0.75 * 5]  # unweighted 1 and 5: on average 4
    return SequenceMechanism(tree, weights, payment)


def test_actions_that_are_drawn_have_a_branch_each(moved):
    axes = mechanism_tree(moved)
    assert texts(axes, "pays")[:2] == ["0.25 wait / 0.75 train, pays 4", "wait, pays 0"]
    assert texts(axes, "pays")[2:] == ["train, pays 3"] * 3
    assert texts(axes, "reports") == ["low", "high", "wait: low", "train: high", "low"]
    widths = [width for _, _, _, width in edges(axes)]
    assert widths == pytest.approx([WIDEST * p for p in (1 / 2, 1 / 2, 1 / 8, 3 / 8, 1 / 2)])


def test_marks_are_those_of_the_likeliest_action(moved):
    drawn = marks(mechanism_tree(moved))
    first = {line.get_marker() for (period, _), line in drawn.items() if period == 1}
    assert first == {"s", "o"} and {line.get_marker() for (p, _), line in drawn.items() if p == 2} == {"s"}


def test_correlated_signals_have_their_names():
    env = mo.InterdependentTypes(
        [[[[0, 1], [1, 2]]]] * 2, None, [["1/2", 0], [0, "1/2"]], types=[["a", "b"], ["c", "d"]], horizon=1
    )
    tree = PublicTree(joint_process(env))
    zero = [np.zeros((2, tree.count[0]))]
    idle = SequenceMechanism.of_policy(tree, [np.zeros(tree.count[0], dtype=np.int64)], zero)
    assert texts(mechanism_tree(idle, agent=1), "reports") == ["a, c", "b, d"]


def counted(axes):
    """(drawn to the end, all) histories of the whole horizon, by the title."""
    words = axes.get_title(loc="left").rpartition("; ")[2].split()
    return int(words[0].replace(",", "")), int(words[2].replace(",", ""))


def rest(axes):
    """Numbers behind the plus signs."""
    return [
        int(t.get_text().rpartition("+ ")[2].split()[0].replace(",", "")) for t in axes.texts if "+ " in t.get_text()
    ]


@pytest.mark.parametrize("periods", [6, 12])
def test_of_too_many_histories_the_likeliest_are_drawn_and_the_rest_is_counted(periods):
    env = mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=periods)
    axes = mechanism_tree(mo.give_for_free(env).to_mechanism())
    drawn, total = counted(axes)
    assert total == 2**periods and drawn + sum(rest(axes)) == total
    lines = {height for _, _, height, _ in edges(axes)}
    assert len([height for height in lines if float(height).is_integer()]) <= MOST_LEAVES
    always_high = (3 / 4) ** periods
    assert min(abs(width - WIDEST * always_high) for *_, width in edges(axes)) < 1e-9 or WIDEST * always_high < THINNEST


def test_depth_and_probability_cut_a_tree():
    env = mo.IndependentTypes.iid([1, 2], ["1/4", "3/4"], horizon=4)
    free = mo.give_for_free(env).to_mechanism()
    axes = mechanism_tree(free, depth=2)
    assert texts(axes, "reports") == ["1", "2", "1", "2", "1", "2"] and rest(axes) == [4, 4, 4, 4]
    axes = mechanism_tree(free, depth=1, least=0.3)
    assert rest(axes) == [8, 8] and not any("together" in t.get_text() for t in axes.texts)
    axes = mechanism_tree(free, depth=1, least=0.8)
    assert [t.get_text() for t in axes.texts if "together" in t.get_text()] == ["1 together  + 16 more"]


def test_many_types_are_gathered():
    env = mo.IndependentTypes.iid(range(1, 101), ["1/100"] * 100, horizon=1)
    axes = mechanism_tree(mo.give_for_free(env).to_mechanism())
    (together,) = (t.get_text() for t in axes.texts if "together" in t.get_text())
    assert together == "0.41 together  + 41 more" and counted(axes) == (59, 100)


def test_histories_that_follow_where_types_persist_are_counted(moved):
    axes = mechanism_tree(moved, depth=1)
    assert rest(axes) == [2, 1]  # "low" is trained or not, "high" never


@pytest.mark.parametrize(
    ("limits", "message"), [({"depth": 0}, "depth: is 0; write 1 to 2"), ({"least": 1}, "least: is 1")]
)
def test_what_leaves_nothing_to_draw_is_refused(sale, limits, message):
    with pytest.raises(mo.InputError, match=message):
        mechanism_tree(sale, **limits)


def test_an_agent_that_does_not_exist_is_refused(sale):
    with pytest.raises(mo.InputError, match="agent: is 1; write 0 to 0"):
        mechanism_tree(sale, agent=1)
