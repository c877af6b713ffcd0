"""Pictures in pages: colours that follow light and dark."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import mechopt as mo
from mechopt.show.figures.comparison import BAR
from mechopt.show.figures.paths import balance_paths
from mechopt.show.figures.tree import mechanism_tree
from mechopt.show.page.svg import inline_svg

ENV = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3)


def halfway():
    axes = Figure().subplots()
    white, bar = np.ones(3), np.array([int(BAR[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    axes.bar([1], [1], color=tuple((white + bar) / 2))
    axes.plot([0, 1], [0, 1], color="#e6a000")
    return axes


def test_a_shade_of_the_bars_is_a_mixture_with_the_pages_paper():
    svg = inline_svg(halfway, "half", "p")
    assert "color-mix(in srgb, var(--bar) 50%, var(--paper))" in svg and "#e6a000" in svg


@pytest.mark.parametrize(
    "draw",
    [
        lambda: mechanism_tree(mo.non_clairvoyant_balance(ENV).to_mechanism()),
        lambda: balance_paths(mo.non_clairvoyant_balance(ENV)),
    ],
    ids=["tree", "balances"],
)
def test_no_dark_ink_and_no_light_paper_are_fixed(draw):
    svg = inline_svg(draw, "label", "p")
    for fixed in ("#ffffff", "#262626", "#333333", "#000000", "#d4d9e5", "#9daac5"):
        assert fixed not in svg, fixed
    assert "var(--paper)" in svg and "currentColor" in svg
