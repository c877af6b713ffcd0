"""What a notebook shows when a cell ends with a value."""

from html import unescape

import nbformat
import pytest
from IPython.core.formatters import DisplayFormatter

import mechopt as mo
from tests.pages import Page

EVIL = "<img src=x onerror=alert(1)>"


def shown(value):
    bundle, _ = DisplayFormatter().format(value)
    return bundle


@pytest.fixture(scope="module")
def env():
    return mo.load("mirrokni-2020/two-values-two-periods")


@pytest.fixture(scope="module")
def best(env):
    return mo.optimum(env)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda env, best: best, "2.25"),
        (lambda env, best: best.mechanism, "revenue"),
        (lambda env, best: best.explain(), "first report"),
        (lambda env, best: mo.compare(env), "repeated-myerson"),
        (lambda env, best: mo.verify(best.mechanism), "satisfied"),
        (lambda env, best: mo.frontier(env), "welfare"),
        (lambda env, best: env, "1, 2"),
        (lambda env, best: mo.two_period(env), "guarantee"),
        (lambda env, best: mo.load("liu-2025/independent-chains"), "InterdependentTypes"),
        (lambda env, best: mo.load("mirrokni-2020/maximin-equal-revenue-5"), "Scenarios"),
    ],
    ids=[
        "optimum",
        "mechanism",
        "explanation",
        "comparison",
        "report",
        "frontier",
        "types",
        "bank",
        "endless",
        "scenarios",
    ],
)
def test_values_have_a_table(env, best, make, part):
    html = shown(make(env, best))["text/html"]
    page = Page(html)
    assert part in page.text
    assert not page.scripts and not any(tag in ("style", "link", "img") for tag, _ in page.elements)


def test_names_of_a_model_are_text():
    env = mo.MarkovTypes(
        [[[0, 0], [1, 2]]], [[["3/4", "1/4"], ["1/4", "3/4"]]], [["1/2", "1/2"]], types=[["low", EVIL]], horizon=2
    )
    html = shown(env)["text/html"]
    assert EVIL not in html and EVIL in unescape(html)


@pytest.mark.parametrize(
    "make", [lambda best: best.explain().plot(), lambda best: mo.figures.mechanism_tree(best.mechanism)]
)
def test_a_picture_is_an_image(best, make):
    assert shown(make(best))["image/png"][:4] in (b"\x89PNG", "iVBO")


def test_axes_that_were_given_are_left_as_they_are(best):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert best.explain().plot(axes) is axes
    assert "image/png" not in shown(axes)


def test_tables_of_an_optimum_and_a_report(env, best):
    assert best.to_frame().equals(best.mechanism.to_frame())
    with pytest.raises(mo.InputError, match="no mechanism to tabulate"):
        mo.optimum(env, ir=None).to_frame()
    frame = mo.verify(best.mechanism).to_frame()
    assert list(frame.index) == ["dic", "epir"] and frame["holds"].all()


def test_the_model_for_cvxpy_is_short_in_words(env):
    assert repr(mo.formats.to_cvxpy(mo.formats.plan(env))) == "CvxModel(13 variables, 9 rows, 2 periods)"


@pytest.mark.slow
def test_a_notebook_holds_an_image_and_a_table():
    from nbclient import NotebookClient

    cells = [
        'import mechopt as mo\nbest = mo.optimum(mo.load("mirrokni-2020/two-values-two-periods"))\nbest.explain()',
        "best.explain().plot()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120).execute()
    kinds = [set(output["data"]) for cell in notebook.cells for output in cell["outputs"] if "data" in output]
    assert "text/html" in kinds[0] and "image/png" in kinds[1]
