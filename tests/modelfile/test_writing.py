"""Tables written as a model file come back equal, number by number and letter by letter."""

import tomllib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mechopt as mo
from mechopt.core.numbers import to_exact
from mechopt.modelfile.tables import read_float
from mechopt.modelfile.writing import model_text, number_text


@pytest.mark.parametrize("name", mo.formats.bundled())
def test_bundled_model_comes_back_equal(name):
    tables = tomllib.loads(mo.formats.bundled()[name].read_text(), parse_float=read_float)
    text = model_text(tables, header=["a comment", "with\nlines"])
    assert tomllib.loads(text, parse_float=read_float) == tables
    assert text.startswith("# a comment\n# with lines\n")


@given(st.fractions(max_denominator=10**6))
def test_number_comes_back_exactly(number):
    read = tomllib.loads(f"x = {number_text(number)}", parse_float=read_float)["x"]
    assert to_exact(read) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Fraction(-7), "-7"),
        (Fraction(1, 10), "0.1"),
        (Fraction(-3, 8), "-0.375"),
        (Fraction(2, 3), '"2/3"'),
        (Fraction(1234, 100), "12.34"),
        (Fraction(1, 10**30), "0." + "0" * 29 + "1"),
        (Fraction(1, 10**31), f'"1/{10**31}"'),
    ],
    ids=["whole", "tenth", "eighths", "thirds", "hundredths", "thirty-places", "more-places"],
)
def test_numbers_look_as_people_write_them(number, text):
    assert number_text(number) == text


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30), st.text(st.characters(exclude_categories=["Cs"]))
)
def test_any_text_comes_back(title, key):
    tables = {"title": title, "agents": [{key: [title], "periods": [{"name": title}]}], "expected": {"a.b": True}}
    assert tomllib.loads(model_text(tables)) == tables


def test_what_no_model_file_holds_is_refused():
    with pytest.raises(TypeError, match="has no place in a model file"):
        model_text({"horizon": None})
