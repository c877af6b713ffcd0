"""Model files with parameters: points, functions, and the places where a model fails."""

from fractions import Fraction

import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.core.functions import RationalFunction
from mechopt.environment.parametric import leaves, points_inside
from mechopt.modelfile.parametric import loads_parametric, parse_parametric

TWO = """
kind = "independent"
horizon = 2
[parameters]
p = ["0", "1"]
[[buyers]]
values = [1, 2]
probabilities = ["1 - p", "p"]
"""
KINDS = {
    "independent": TWO,
    "markov": """
kind = "markov"
horizon = 3
discount = "d"
actions = ["none", "d"]
[parameters]
d = ["1/4", "1"]
[[agents]]
name = "d"
types = ["low", "d"]
initial = ["1/2", "1/2"]
values = [[0, 0], [1, "1 + d"]]
kernel = [["d", "1 - d"], ["1 - d", "d"]]
""",
    "interdependent": """
kind = "interdependent"
horizon = 2
actions = ["1", "2"]
initial = [["1/2 - r", "r"], ["r", "1/2 - r"]]
kernel = [[[["1/2 - r", "r"], ["r", "1/2 - r"]], [["1/4", "1/4"], ["1/4", "1/4"]]],
          [[["1/4", "1/4"], ["1/4", "1/4"]], [["1/2 - r", "r"], ["r", "1/2 - r"]]]]
[parameters]
r = ["0", "1/2"]
[[agents]]
values = [[[0, 1], [2, "2 + r"]], [[0, 0], [0, 0]]]
[[agents]]
values = [[[0, 0], [0, 0]], [[0, "r"], [1, 2]]]
""",
    "separable": """
kind = "separable"
horizon = 1
actions = ["none", "sell"]
[parameters]
c = ["1", "2"]
[[agents]]
initial.values = [1, "c + 1"]
initial.probabilities = ["1/2", "1/2"]
signals = ["cold", "hot"]
signal_initial = ["1/c - 1/4", "5/4 - 1/c"]
signal_kernel = [[1, 0], [0, 1]]
base = [[0, 0], ["c", 3]]
""",
}


@pytest.mark.parametrize("kind", KINDS)
def test_functions_are_the_numbers_at_every_point(kind: str) -> None:
    model = loads_parametric(KINDS[kind])
    for point in [*points_inside(model.start, model.stop, 40), (model.start + model.stop) / 2]:
        plain, functions = list(leaves(model.at(point).exact)), list(leaves(model.exact))
        assert plain == [RationalFunction.of(function)(point) for function in functions]
    assert any(RationalFunction.of(function).constant is None for function in leaves(model.exact))


def test_a_point_is_the_plain_model() -> None:
    plain = TWO.replace('[parameters]\np = ["0", "1"]\n', "").replace('"1 - p", "p"', '"2/3", "1/3"')
    for at in ("p=1/3", {"p": "1/3"}, {"p": Fraction(1, 3)}):
        assert mo.loads(TWO, at) == mo.loads(plain)
    with pytest.raises(InputError, match="has no value; choose one: --at p=1/2"):
        mo.loads(TWO)
    with pytest.raises(InputError, match="outside"):
        mo.loads(TWO, "p=2")
    with pytest.raises(InputError, match="is not a parameter of the model; the model has none"):
        mo.loads(plain, "p=1/2")
    with pytest.raises(InputError, match="write p=1/3"):
        mo.loads(TWO, "p=x")


def test_fingerprints_tell_parametric_models_apart() -> None:
    changed = [
        TWO,
        TWO.replace('["0", "1"]', '["0", "1/2"]'),
        TWO.replace('p = ["0", "1"]', 'r = ["0", "1"]').replace('"1 - p", "p"', '"1 - r", "r"'),
        TWO.replace("[1, 2]", "[1, 3]"),
        TWO.replace('"1 - p", "p"', '"p", "1 - p"'),
        TWO.replace("horizon = 2", "horizon = 3"),
    ]
    prints = [loads_parametric(text).fingerprint for text in changed]
    assert len(set(prints)) == len(prints)
    assert loads_parametric(TWO.replace('"1 - p"', '"(2 - 2*p)/2"')).fingerprint == prints[0]
    assert mo.loads(TWO, "p=1/3").fingerprint not in prints


def test_a_number_with_an_exponent_is_no_product() -> None:
    text = TWO.replace("[1, 2]", '["1e0", "2"]').replace('p = ["0", "1"]', 'e0 = ["0", "1"]')
    assert loads_parametric(text.replace('"1 - p", "p"', '"1 - e0", "e0"')).at(Fraction(1, 3)) == mo.loads(TWO, "p=1/3")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("[1, 2]", '[1, "1/2 + p"]', "1 and 1/2 \\+ p cross at p = 1/2|1 and \\(1 \\+ 2 p\\)/2 cross at p = 1/2"),
        ("[1, 2]", '[1, "5/4 - 3*p + 3*p**2"]', "cross at p = about 0.0917517"),
        ('"1 - p", "p"', '"3/2 - 3*p", "3*p - 1/2"', "becomes 0 at p = 1/"),
        ('"1 - p", "p"', '"p", "p"', "sums to"),
        ('"1 - p", "p"', '"1 - (p - 1/2)**2", "(p - 1/2)**2"', "becomes 0 at p = 1/2"),
        ("horizon = 2", 'horizon = 2\ndiscount = "2*p"', "discount"),
        ('"1 - p", "p"', '"1 - 2p", "2p"', r"probabilities\[0\]: '1 - 2p' leaves out a sign; write '1 - 2\*p'"),
        ('p = ["0", "1"]', 'p = ["1", "0"]', "write the lower end first"),
        ('p = ["0", "1"]', 'p = ["0", "1/2", "1"]', "is not an interval"),
        ('p = ["0", "1"]', "p = true", "parameters.p: .* is not a number"),
        ('p = ["0", "1"]', 'p = "1/3"', "is not one of them|all have values|parameters"),
        ('p = ["0", "1"]', 'p = ["0", "1"]\nq = ["0", "1"]', "give values to all but one: --at"),
        ("horizon = 2", 'horizon = "infinite"', "horizon"),
    ],
)
def test_where_a_model_fails(old: str, new: str, place: str) -> None:
    assert old in TWO
    with pytest.raises(InputError, match=place):
        loads_parametric(TWO.replace(old, new))


def test_several_parameters_are_fixed_but_one() -> None:
    text = TWO.replace('p = ["0", "1"]', 'p = ["0", "1"]\nh = ["1", "5"]').replace("[1, 2]", '[1, "h + p/9"]')
    file = parse_parametric(text, "text", None, "h=3")
    assert file.model.parameter == "p" and file.file.environment.exact.values[0][0][1] > 3
    assert parse_parametric(text, "text", "h", "p=1/2").model.exact.values[0][0][1](2) == 2 + Fraction(1, 18)
    with pytest.raises(InputError, match="all have values"):
        parse_parametric(text, "text", None, "h=3,p=1/2")


def test_a_parameter_may_have_a_value() -> None:
    fixed = TWO.replace('p = ["0", "1"]', 'p = "1/3"')
    assert mo.loads(fixed) == mo.loads(TWO, "p=1/3")
    assert mo.loads(fixed, "p=1/4") == mo.loads(TWO, "p=1/4")
    both = TWO.replace('p = ["0", "1"]', 'p = ["0", "1"]\nh = 3').replace("[1, 2]", '[1, "h"]')
    assert loads_parametric(both).fingerprint == loads_parametric(TWO.replace("[1, 2]", "[1, 3]")).fingerprint
    assert loads_parametric(both, None, "h=5").exact.values[0][0][1] == 5


def test_a_sweep_runs_over_a_parameter(tmp_path) -> None:
    (tmp_path / "base.toml").write_text(TWO.replace('p = ["0", "1"]', 'p = "1/2"'))
    study = 'model = "base.toml"\nrecord = ["value"]\n[grid]\n"parameters.p" = ["1/4", "1/2", "3/4"]'
    (tmp_path / "study.toml").write_text(study)
    values = mo.sweep(tmp_path / "study.toml").to_frame()["value"]
    assert values.tolist() == pytest.approx([2.0, 2.25, 3.0])
