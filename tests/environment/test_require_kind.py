"""Closed forms are for one kind of environment each; another one is refused, and told what is for it."""

import pytest

import mechopt as mo

COIN = ["1/2", "1/2"]
STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
JOINT = [["1/8", "1/8"], ["1/8", "5/8"]]
SURE = [[1, 0], [0, 0]]
WORTH = [[[0, 1], [1, 2]], [[0, 0], [0, 0]]]

MARKOV = mo.MarkovTypes([[[0, 0], [1, 2]]] * 2, [STAY] * 2, [COIN] * 2, horizon=2)
SEPARABLE = mo.SeparableTypes([[1, 2]], [COIN], [[[0, 0], [1, 2]]], [COIN], [STAY], horizon=2)
ENDLESS = mo.SeparableTypes([[1, 2]], [COIN], [[[0, 0], [1, 2]]], [COIN], [STAY], discount="1/2")
INTERDEPENDENT = mo.InterdependentTypes([WORTH, WORTH], [[JOINT] * 2] * 2, JOINT, horizon=2)
INDEPENDENT = mo.IndependentTypes.iid([1, 2], COIN, horizon=2)

GIVEN = {
    "markov": MARKOV,
    "separable": SEPARABLE,
    "endless-separable": ENDLESS,
    "interdependent": INTERDEPENDENT,
    "independent": INDEPENDENT,
}
FOR = {
    "independent": (
        "repeated_myerson",
        "repeated_second_price",
        "give_for_free",
        "non_clairvoyant_balance",
        "two_period",
        "asymptotic",
    ),
    "markov": (
        "efficient",
        "dynamic_pivot",
        "team",
        "team_upfront",
        "bond",
        "balanced_team",
        "outside_options",
        "second_price_form",
    ),
    "separable": ("virtual_pivot", "virtual_bound", "virtual_index", "optimal_contract", "diagnose"),
    "interdependent": (
        "efficient_joint",
        "convex_independence",
        "spanning",
        "last_period",
        "contingent_transfers",
        "approximate_transfers",
    ),
}


def kind_of(given):
    return given.removeprefix("endless-")


@pytest.mark.parametrize(
    ("name", "kind", "given"),
    [
        pytest.param(name, kind, given, id=f"{name}-of-{given}")
        for kind, names in FOR.items()
        for name in names
        for given in GIVEN
        if kind_of(given) != kind and (name, kind_of(given)) != ("dynamic_pivot", "separable")  # which takes both
    ],
)
def test_another_kind_is_refused_by_name(name, kind, given):
    with pytest.raises(mo.InputError, match=f"is for kind '{kind}', not '{kind_of(given)}'; "):
        getattr(mo, name)(GIVEN[given])


def test_what_is_no_environment_is_refused_with_what_it_is():
    with pytest.raises(mo.InputError, match=r"efficient: is for kind 'markov', not 'model\.toml'; read a model file"):
        mo.efficient("model.toml")


def test_the_mends_that_are_named_work():
    assert mo.efficient(SEPARABLE.to_markov()).expected_welfare > 0
    assert mo.mechanisms.efficient_joint(mo.InterdependentTypes.from_markov(MARKOV)).expected_welfare == pytest.approx(
        mo.efficient(MARKOV).expected_welfare, rel=1e-14
    )


SELLER = mo.InterdependentTypes([WORTH, WORTH], [[JOINT] * 2] * 2, JOINT, horizon=2, seller_values=[JOINT, SURE])
TRANSFERS = {
    "contingent_transfers": lambda env: mo.contingent_transfers(env),
    "contingent_transfers-any": lambda env: mo.contingent_transfers(env, "any"),
    "contingent_transfers-stacked": lambda env: mo.contingent_transfers(env, "stacked"),
    "robust_transfers": lambda env: mo.mechanisms.robust_transfers(env, "1/10"),
    "approximate_transfers": lambda env: mo.mechanisms.approximate_transfers(env),
    "transfer_systems": lambda env: mo.mechanisms.transfer_systems(env),
}


@pytest.mark.parametrize("name", TRANSFERS)
def test_contingent_transfers_say_why_they_take_no_seller_values(name):
    function = name.partition("-")[0]
    with pytest.raises(mo.errors.InputError, match=f"{function}: seller_values: .*no money.*into cost"):
        TRANSFERS[name](SELLER)
