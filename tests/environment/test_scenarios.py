"""Scenarios: what they accept and refuse, their tree of nodes, their model files."""

import pickle
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.scenarios import Scenarios
from mechopt.modelfile import load, loads, parse, read, schema
from mechopt.modelfile.loading import KINDS

COIN = {"name": "coin", "values": [1, 4], "probabilities": ["1/2", "1/2"]}
SURE = {"name": "sure", "values": [3], "probabilities": [1]}
FILE = """
kind = "scenarios"

[[distributions]]
name = "coin"
values = [1, 4]
probabilities = ["1/2", 0.5]

[[distributions]]
name = "sure"
values = [3]
probabilities = [1]

[[scenarios]]
sequence = ["coin"]

[[scenarios]]
sequence = ["coin", "sure"]
"""


def faults(make, *given):
    with pytest.raises(mo.InputError) as caught:
        make(*given)
    return [str(fault) for fault in caught.value.faults]


def test_each_scenario_is_an_environment():
    scenarios = Scenarios([COIN, SURE], [["coin"], {"sequence": ["sure", "coin"], "name": "turned"}], discount="1/2")
    assert len(scenarios) == 2
    assert scenarios.names == ("coin", "turned")
    assert scenarios.environment(0) == mo.IndependentTypes([[[1, 4]]], [[["1/2", "1/2"]]], discount="1/2")
    turned = mo.IndependentTypes([[[3], [1, 4]]], [[[1], ["1/2", "1/2"]]], discount="1/2")
    assert scenarios.environment("turned") == scenarios.environment(1) == turned
    assert scenarios.discount == Fraction(1, 2)
    assert scenarios.distributions["coin"].exact == ((1, 4), (Fraction(1, 2), Fraction(1, 2)))
    assert scenarios.distributions["coin"].values.tolist() == [1.0, 4.0]


def test_they_are_values():
    a, b = (Scenarios([COIN, SURE], [["coin"], ["coin", "sure"]]) for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)
    assert a != Scenarios([COIN, SURE], [["coin", "sure"], ["coin"]])
    assert a != Scenarios([COIN, SURE], [["coin"], ["coin", "sure"]], discount="9/10")
    assert a != Scenarios([COIN | {"name": "toss"}, SURE], [["toss"], ["toss", "sure"]])
    with pytest.raises(FrozenInstanceError):
        a.discount = 2
    with pytest.raises(TypeError):
        a.distributions["coin"] = None
    with pytest.raises(ValueError, match="read-only"):
        a.distributions["coin"].values[0] = 2


def test_a_changed_copy():
    scenarios = Scenarios(
        [COIN, SURE], [["coin"], {"sequence": ["coin", "sure"], "name": "both"}], "123456789/999999937"
    )
    assert replace(scenarios) == scenarios == pickle.loads(pickle.dumps(scenarios))
    dearer = replace(scenarios, distributions={**scenarios.distributions, "sure": ([5], [1])}, discount=1)
    five = {"name": "sure", "values": [5], "probabilities": [1]}
    assert dearer == Scenarios([COIN, five], {"coin": ["coin"], "both": ["coin", "sure"]})
    third = np.array([1.0, 1.0, 1.0]) / 3 + 1e-14
    inexact = Scenarios([{"name": "third", "values": [1, 2, 3], "probabilities": third}], [["third"]])
    assert replace(inexact) == inexact == pickle.loads(pickle.dumps(inexact))


def test_nodes_are_common_prefixes():
    a, b, c = ({"name": name, "values": [1], "probabilities": [1]} for name in "abc")
    scenarios = Scenarios([a, b, c], [["a"], ["a", "b", "c"], ["c", "a"], ["a", "b"], ["a", "c", "c"]])
    # nodes in the order of their first appearance: a 1, ab 2, abc 3, c 4, ca 5, ac 6, acc 7
    assert scenarios.paths == ((0, 1), (0, 1, 2, 3), (0, 4, 5), (0, 1, 2), (0, 1, 6, 7))


def test_distributions_with_equal_numbers_are_told_apart_by_name():
    twins = [COIN, COIN | {"name": "twin"}]
    assert Scenarios(twins, [["coin"], ["twin"]]).paths == ((0, 1), (0, 2))


def test_a_distribution_may_go_unused():
    assert set(Scenarios([COIN, SURE], [["coin"]]).distributions) == {"coin", "sure"}


def test_probabilities_that_round_keep_their_scenario_inexact():
    third = {"name": "third", "values": [1, 2, 3], "probabilities": [0.1, 0.2, 0.7]}
    skew = {"name": "skew", "values": [1, 2], "probabilities": np.array([np.exp(-1.0), 1 - np.exp(-1.0)]) + 1e-13}
    scenarios = Scenarios([third, skew], [["third"], ["skew"], ["third", "skew"]])
    assert [env.exact is None for env in scenarios.environments] == [False, True, True]
    assert scenarios.distributions["skew"].exact is None


def test_all_faults_come_at_once():
    distributions = [
        {"name": "coin", "values": [1, 1], "probabilities": [0.5, 0.47]},
        {"name": "coin", "values": [2], "probabilities": [1]},
        {"name": "", "values": [2], "probabilities": [1]},
        {"name": "x", "values": [2]},
    ]
    scenarios = [["coin"], ["coin", "cion"], [], ["coin"], "coin", {"sequence": ["coin", "coin"], "name": "coin"}, {}]
    assert faults(Scenarios, distributions, scenarios, 2) == [
        "distributions[2].name: '' is not a name; write a text",
        "distributions[3]: {'name': 'x', 'values': [2]} is not a table with name and values and probabilities; see "
        "Scenarios for distributions",
        "distributions[0].values[1]: 1 repeats 1 before it; list each value once, in increasing order, and add up the "
        "probabilities of equal values",
        'distributions[0].probabilities: sums to 0.97, not 1; write exact fractions such as "1/3"',
        "scenarios[6]: {} is not a table with sequence; see Scenarios for scenarios",
        'scenarios[4].sequence: \'coin\' is not a list of names; write a list such as ["F1", "F2"]',
        "distributions[1].name: 'coin' is the name of distributions[0] too; use another name",
        "scenarios[1].sequence[1]: 'cion' is not the name of a distribution; did you mean 'coin'?",
        "scenarios[2].sequence: is empty; name at least one distribution",
        "scenarios[3].sequence: is that of scenarios[0] too; give each scenario once",
        "scenarios[5].name: 'coin' is the name of scenarios[0] too; use another name",
        "discount: is 2; it must be above 0 and at most 1",
    ]


@pytest.mark.parametrize(
    ("distributions", "scenarios", "message"),
    [
        pytest.param([], [["a"]], "distributions: is not a list with at least one entry", id="no-distribution"),
        pytest.param([COIN], [], "scenarios: is not a list with at least one entry", id="no-scenario"),
        pytest.param([COIN], "coin", "scenarios: is not a list", id="text-for-scenarios"),
        pytest.param({}, [["a"]], "distributions: is not a list with at least one entry", id="empty-mapping"),
        pytest.param({"coin": [1, 2, 3]}, [["coin"]], "distributions.coin: is not a pair", id="three-for-two"),
        pytest.param([COIN], [[["coin"]]], "scenarios[0].sequence: [['coin']] is not a list of names", id="nested"),
        pytest.param([COIN], [["coin"] * 10_001], "scenarios[0].sequence: has 10001 periods; at most 10000", id="long"),
        pytest.param([COIN | {"name": 3}], [["coin"]], "distributions[0].name: 3 is not a name", id="number-for-name"),
        pytest.param(
            [COIN], [{"sequence": ["coin"], "name": None}], "scenarios[0].name: None is not a name", id="no-text"
        ),
        pytest.param(
            [COIN | {"values": [1, "x"]}], [["coin"]], "distributions[0].values[1]: 'x' is not a number", id="no-number"
        ),
    ],
)
def test_what_is_no_list_number_or_name(distributions, scenarios, message):
    assert faults(Scenarios, distributions, scenarios)[0].startswith(message)


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        pytest.param("coins", "scenario: 'coins' is not a scenario; did you mean 'coin'?", id="name"),
        pytest.param(2, "scenario: 2 is out of range; there are 2, from 0 on", id="number"),
        pytest.param(-1, "scenario: -1 is out of range; there are 2, from 0 on", id="negative-number"),
    ],
)
def test_scenario_that_does_not_exist(scenario, message):
    assert faults(Scenarios([COIN, SURE], [["coin"], ["coin", "sure"]]).environment, scenario) == [message]


def test_model_file():
    assert loads(FILE) == Scenarios([COIN, SURE], [["coin"], ["coin", "sure"]])
    named = FILE.replace('["coin", "sure"]', '["coin", "sure"]\nname = "both"')
    named = named.replace("[[distributions]]", "discount = 0.1\n[[distributions]]", 1)
    assert loads(named).names == ("coin", "both")
    assert loads(named).environment("both").exact.discount == Fraction(1, 10)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            '"coin", "sure"',
            '"coin", "shure"',
            "scenarios[1].sequence[1]: 'shure' is not the name of a distribution; did you mean 'sure'?",
            id="unknown-name",
        ),
        pytest.param(
            '["coin", "sure"]',
            "[]",
            "scenarios[1].sequence: is empty; name at least one distribution",
            id="empty-sequence",
        ),
        pytest.param(
            '["coin", "sure"]',
            '["coin"]',
            "scenarios[1].sequence: is that of scenarios[0] too; give each scenario once",
            id="scenario-twice",
        ),
        pytest.param(
            '["1/2", 0.5]',
            "[0.5, 0.47]",
            'distributions[0].probabilities: sums to 0.97, not 1; write exact fractions such as "1/3"',
            id="probabilities-0.97",
        ),
        pytest.param(
            'name = "sure"',
            'name = "coin"',
            "distributions[1].name: 'coin' is the name of distributions[0] too; use another name",
            id="name-twice",
        ),
        pytest.param(
            'sequence = ["coin"]',
            'sequense = ["coin"]',
            "scenarios[0].sequense: unknown key; did you mean 'sequence'?",
            id="unknown-key-of-a-scenario",
        ),
        pytest.param(
            "values = [3]",
            "values = [3]\nvalue = 3",
            "distributions[1].value: unknown key; did you mean 'values'?",
            id="unknown-key-of-a-distribution",
        ),
        pytest.param(
            'kind = "scenarios"',
            'kind = "scenarios"\nhorizon = 2',
            "horizon: unknown key; known keys: title, source, kind, discount, cost, distributions, buyers, weights, "
            "scenarios, absorbing, subject_to, solve, expected",
            id="unknown-key",
        ),
        pytest.param(
            'kind = "scenarios"',
            'kind = "scenario"',
            "kind: 'scenario' is not a kind of environment; did you mean 'scenarios'?",
            id="kind",
        ),
    ],
)
def test_bad_model_file(old, new, message):
    assert old in FILE
    found = faults(parse, FILE.replace(old, new, 1), "pair.toml")
    assert message in found


def test_faults_of_a_model_file_name_the_file_and_come_at_once():
    text = FILE.replace('["1/2", 0.5]', "[0.5, 0.47]").replace('["coin", "sure"]', '["coin", "shure"]')
    with pytest.raises(mo.InputError) as caught:
        parse(text, "pair.toml")
    assert [line.split(" ")[:2] for line in str(caught.value).splitlines()] == [
        ["pair.toml:", "distributions[0].probabilities:"],
        ["pair.toml:", "scenarios[1].sequence[1]:"],
    ]


def test_schema_has_all_kinds():
    document = schema()
    assert set(document["discriminator"]["mapping"]) == set(KINDS)
    assert set(document["$defs"]["ScenariosFile"]["properties"]) >= {"distributions", "scenarios", "expected"}
    assert document["$defs"]["IndependentFile"]["required"] == ["kind", "horizon", "buyers"]


def test_a_command_for_one_kind_refuses_the_others():
    scenarios, independent = parse(FILE, "pair.toml"), read("mirrokni-2020/two-values-three-periods")
    assert scenarios.of_kind(Scenarios) is scenarios.environment
    assert independent.of_kind(mo.IndependentTypes) is independent.environment
    with pytest.raises(mo.InputError) as caught:
        scenarios.of_kind(mo.IndependentTypes)
    assert str(caught.value) == "pair.toml: kind: is 'scenarios', needed is 'independent'; try mechopt maximin"
    with pytest.raises(mo.InputError, match="kind: is 'independent', needed is 'scenarios'; try mechopt solve"):
        independent.of_kind(Scenarios)


def test_bundled_scenarios_load():
    assert repr(load("mirrokni-2020/maximin-equal-revenue-5")) == "Scenarios(2 scenarios, 1-2 periods, 2 distributions)"


RIVAL = {"name": "coin", "values": [2, 5, 6], "probabilities": ["1/4", "1/4", "1/2"]}


def test_several_buyers_costs_and_weights():
    scenarios = Scenarios(
        [COIN, SURE],
        [["coin"], ["coin", "sure"]],
        others=[[RIVAL, SURE]],
        cost={"sure": "1/2"},
        weights=[1, 3],
    )
    assert scenarios.agents == 2
    assert scenarios.weights == (Fraction(1, 4), Fraction(3, 4))
    assert scenarios.cost == {"coin": 0, "sure": Fraction(1, 2)}
    both = mo.IndependentTypes(
        [[[1, 4], [3]], [[2, 5, 6], [3]]], [[["1/2", "1/2"], [1]], [["1/4", "1/4", "1/2"], [1]]], ["0", "1/2"]
    )
    assert scenarios.environment(1) == both
    assert repr(scenarios) == "Scenarios(2 buyers, 2 scenarios, 1-2 periods, 2 distributions)"
    assert replace(scenarios) == scenarios == pickle.loads(pickle.dumps(scenarios))
    assert scenarios != replace(scenarios, weights=None)
    assert replace(scenarios, weights=None) == replace(scenarios, weights=[7, 7])
    text = """
kind = "scenarios"
cost = { sure = "1/2" }
weights = [1, 3]
[[buyers]]
[[buyers.distributions]]
name = "coin"
values = [1, 4]
probabilities = ["1/2", "1/2"]
[[buyers.distributions]]
name = "sure"
values = [3]
probabilities = [1]
[[buyers]]
[[buyers.distributions]]
name = "coin"
values = [2, 5, 6]
probabilities = ["1/4", "1/4", "1/2"]
[[buyers.distributions]]
name = "sure"
values = [3]
probabilities = [1]
[[scenarios]]
sequence = ["coin"]
[[scenarios]]
sequence = ["coin", "sure"]
"""
    assert loads(text) == scenarios
    twice = text.replace("[[buyers]]", "[[buyers]]\ncount = 2", 1)
    assert loads(twice).agents == 3


def test_faults_of_buyers_costs_and_weights():
    made = faults(Scenarios, [COIN, SURE], [["coin"]], 1, [[COIN]], {"cion": 1, "sure": -1}, [-1])
    assert made == [
        "others[0]: names differ from the first buyer's: 'sure'; give every buyer distributions of the same names",
        "cost.cion: is not the name of a distribution; did you mean 'coin'?",
        "weights[0]: is -1; give at least 0",
    ]
    assert faults(Scenarios, [COIN], [["coin"]], 1, (), "x", [1, 2]) == [
        "cost: 'x' is not a number; write 3, 0.25 or \"1/3\"; write a finite number",
        "weights: are 2 of 1 scenarios; give one a scenario",
    ]
    text = FILE.replace('kind = "scenarios"', 'kind = "scenarios"\ncost = { cion = 1, sure = -1 }\nweights = [1]')
    assert faults(loads, text) == [
        "cost.cion: is not the name of a distribution; name one",
        "weights: are 1 of 2 scenarios; give one a scenario",
    ]
    both = FILE + '[[buyers]]\n[[buyers.distributions]]\nname = "coin"\nvalues = [1]\nprobabilities = [1]\n'
    assert faults(loads, both) == [
        "distributions: stand beside buyers; write those of every buyer under [[buyers]]",
        "buyers[0].distributions: names differ from the first buyer's: 'sure'; give every buyer distributions of "
        "the same names",
    ]
    none = 'kind = "scenarios"\n[[scenarios]]\nsequence = ["coin"]\n'
    assert faults(loads, none)[0] == ("distributions: are missing; give those of one buyer, or [[buyers]] with theirs")
