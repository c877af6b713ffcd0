"""All kinds of environments speak one language: attributes, shapes, sums, files and fingerprints."""

import dataclasses
import hashlib
from itertools import product

import numpy as np
import pytest

import mechopt as mo
from mechopt.environment.interface import Environment
from mechopt.environment.process import joint_process
from tests.interdependent_instances import random_environment
from tests.persistent_exact import random_interdependent, random_markov, random_separable

LARGE = "1000000000000000000000000000001/3"  # its float says less
FILES = {
    "independent": (
        """
kind = "independent"
horizon = 2
discount = "9/10"
cost = [0, "1/3"]

[[buyers]]
count = 2
values = [0, 1, 2.5]
probabilities = ["1/3", "1/3", "1/3"]

[[buyers]]
periods = [
  { values = [1, 2], probabilities = [0.5, 0.5] },
  { values = [3], probabilities = [1] },
]
""",
        "e5d3b7ea959b34066b6fcdf17f1b1c70cff5e84d085753d6d3ec6129837946ac",
    ),
    "markov": (
        """
kind = "markov"
horizon = "infinite"
discount = "9/10"
actions = ["none", "A", "B"]
cost = [0, 0, "1/3"]

[[agents]]
name = "A"
types = ["low", "high"]
initial = [0.4, 0.6]
values = [[0, 0], [1, 2], [0, 0]]
kernel = [[0.75, 0.25], [0.25, 0.75]]

[[agents]]
initial = [0.1, 0.2, 0.7]
values = [[0, 0, 0], [0, 0, 0], [-1, 2, 3]]
kernel = [
  [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  [["1/3", "1/3", "1/3"], [0, 0.5, 0.5], [0, 0, 1]],
]
""",
        "070737bb6ba7b95de0d9565619897a6adfb4e980088fcf035a65d4d580ec9dc7",
    ),
    "markov-by-period": (
        """
kind = "markov"
horizon = 3
actions = [["contract"], ["keep", "sell"], ["keep", "lend"]]
cost = [0, [0, "1/3"], 2]

[[agents]]
initial = [0.5, 0.5]

[[agents.periods]]
types = ["good", "bad"]
values = [[0, 0]]
kernel = [[0.5, 0.5, 0], [0, 0, 1]]

[[agents.periods]]
values = [[0, 0, 0], [1, 3, 4]]
kernel = [[[1], [1], [1]], [[1], [1], [1]]]

[[agents.periods]]
values = [[0], [-2]]
""",
        "d22b48d3e89e14ec4cffc802507f3466b70ba0ce397a31e432326791319bed32",
    ),
    "separable": (
        """
kind = "separable"
horizon = 2
discount = 0.9
actions = ["keep", "sell", "rent"]
cost = [0, "1/4", 0]

[[agents]]
name = "Ann"
form = "additive"
initial = { values = [1, 2], probabilities = ["1/3", "2/3"] }
signals = ["bad", "good"]
signal_initial = [0.5, 0.5]
signal_kernel = [[0.75, 0.25], [0.25, 0.75]]
base = [[0, 0], [-1, 1], [0, 0]]
rate = [0, 1, 0]

[[agents]]
form = "general"
initial = { values = [1, 3], probabilities = [0.5, 0.5] }
signal_initial = [[1, 0], [0.25, 0.75]]
signal_kernel = [[[1, 0], [0, 1]], [[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]]
values = [[[0, 0], [0, 0]], [[0, 0], [-1, 0]], [[1, 2], [3, 5]]]
""",
        "77a808594cb43cce64957da49518c93ab5a6e989ea641e327c4305e476fcb932",
    ),
    "interdependent": (
        """
kind = "interdependent"
horizon = 2
discount = "9/10"
actions = ["sell", "keep"]
cost = [0, "1/3"]
initial = [["1/3", "1/6"], ["1/6", "1/3"]]
kernel = [[[["1/3", "1/6"], ["1/6", "1/3"]], [[0.3, 0.2], [0.2, 0.3]]], [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]]

[[agents]]
name = "A"
types = ["low", "high"]
values = [[[0, 1], [1, 2]], [[0, 0], [0, 0]]]

[[agents]]
values = [[[0, 0], [0, 0]], [[0, "1000000000000000000000000000001/3"], [1, 2]]]
""",
        "b93ab454279b66f8e4dca3577304f17475114ed4eaf2eab0c9744ddf2d82a859",
    ),
    "interdependent-by-period": (
        """
kind = "interdependent"
horizon = 2
actions = [["look"], ["sell", "keep"]]
cost = [[0], [0, 1]]
initial = [[0.5, 0.5]]

[[agents]]
[[agents]]
values = [[[1], [2]], [[3], [4]]]

[[periods]]
values = [[[[1, 2]]], [[[3, 4]]]]
kernel = [[[[[0.5], [0.5]], [[0.25], [0.75]]]]]

[[periods]]
types = [["new", "old"], ["only"]]
values = [[[[1], [2]], [[3], [4]]], [[[5], [6]], [[7], [8]]]]
""",
        "4203989c0425c10a2a1138d571c02bf17ed79de4a1e18f8bf3005818e84eb5ed",
    ),
}


@pytest.mark.parametrize(("text", "fingerprint"), FILES.values(), ids=FILES)
def test_fingerprints_are_what_they_were(text, fingerprint):
    """Mechanisms and certificates that were saved earlier stay valid: these literals never change."""
    assert mo.loads(text).fingerprint == fingerprint


def test_fingerprint_of_floats_is_what_it_was():
    """Eighths would be exact: these sum to 1 within rounding only."""
    env = mo.MarkovTypes([[[0, 0], [1, 2]]], [[[0.1 + 0.2, 0.7], [0.25, 0.75]]], [[0.3, 0.7]], horizon=2)
    assert env.exact is None
    assert env.fingerprint == "93f05dd70bba083f9c507985a90760f754c5d956ab898375581280670935dc70"


ENVIRONMENTS = {name: mo.loads(text) for name, (text, _) in FILES.items()} | {
    "one-type-one-period": mo.IndependentTypes([[[1]]], [[[1]]]),
    "markov-one-period": mo.MarkovTypes([[[0, 0], [1, 2]]], [[[1, 0], [0, 1]]], [["1/2", "1/2"]], horizon=1),
    "markov-random": random_markov(3),
    "separable-random": random_separable(1, agents=2),
    "separable-infinite": dataclasses.replace(random_separable(2), horizon="infinite", discount="1/2"),
    "interdependent-random": random_interdependent(4, sizes=(2, 3), periods=3),
    "interdependent-infinite": mo.loads(
        FILES["interdependent"][0].replace("horizon = 2", 'horizon = "infinite"').replace(f'"{LARGE}"', "5")
    ),
    "interdependent-kernels-by-period": mo.InterdependentTypes(
        [[[[0, 1], [1, 2]], [[0, 0], [0, 0]]], [[[0, 0], [0, 0]], [[0, 1], [1, "5/3"]]]],
        [[[[["1/2", 0], [0, "1/2"]]] * 2] * 2, [[[[0, "1/2"], ["1/2", 0]]] * 2] * 2],
        [["1/2", 0], [0, "1/2"]],
        horizon=3,
    ),
    "markov-kernels-by-period": mo.MarkovTypes(
        [[[[0, 0], [1, 2]]] * 3], [[[[1, 0], [0, 1]], [["1/2", "1/2"], [0, 1]]]], [["1/3", "2/3"]], horizon=3
    ),
    "interdependent-one-period": random_interdependent(6, periods=1),
}


@pytest.fixture(params=ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def env(request):
    return request.param


def asked(protocol):
    return {name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")}


def test_the_interface_lists_what_is_promised():
    assert asked(Environment) >= {
        *("agents", "horizon", "shape", "values", "kernel", "initial", "cost", "present_value", "first_best"),
        *("names", "types", "exact", "fingerprint", "to_toml"),
    }


def test_every_kind_has_every_attribute(env):
    endless = env.kind == "separable" and env.horizon == "infinite"
    for name in asked(Environment) - ({"shape", "values", "kernel", "types"} if endless else set()):
        assert getattr(env, name) is not None, name
    if endless:
        for name in ("shape", "values", "kernel", "types"):
            with pytest.raises(mo.InputError, match="is infinite"):
                getattr(env, name)


def finite_form(env):
    return not (env.kind == "separable" and env.horizon == "infinite")


def test_axes_are_agent_first_then_period(env):
    if not finite_form(env):
        return
    periods = 1 if env.horizon == "infinite" else env.horizon + (env.kind == "separable")
    assert len(env.shape) == len(env.present_value) == periods
    assert len(env.names) == len(env.values) == len(env.types) == env.agents
    for i, t in product(range(env.agents), range(periods)):
        assert len(env.values[i]) == len(env.types[i]) == periods
        assert len(env.types[i][t]) == env.shape[t][i]
        own = {"independent": env.shape[t][i : i + 1], "interdependent": env.shape[t]}.get(env.kind, (env.shape[t][i],))
        assert env.values[i][t].shape[-len(own) :] == own
        assert env.values[i][t].ndim == len(own) + (env.kind != "independent")
        assert not env.values[i][t].flags.writeable
    links = 1 if env.horizon == "infinite" else periods - 1
    if env.kind == "interdependent":
        assert env.initial.shape == env.shape[0] and env.initial.sum() == pytest.approx(1)
        assert [distribution.shape[1:] for distribution in env.kernel] == [
            env.shape[t] + env.shape[min(t + 1, periods - 1)] for t in range(links)
        ]
        return
    for i in range(env.agents):
        assert env.initial[i].shape == env.shape[0][i : i + 1] and env.initial[i].sum() == pytest.approx(1)
        assert len(env.kernel[i]) == links
        for t, distribution in enumerate(env.kernel[i]):
            assert distribution.shape[1:] == (env.shape[t][i], env.shape[min(t + 1, periods - 1)][i])
            np.testing.assert_allclose(distribution.sum(axis=-1), 1)


def test_present_values_are_powers_of_the_discount(env):
    assert env.present_value.tolist() == pytest.approx([env.discount**t for t in range(len(env.present_value))])
    assert env.horizon != "infinite" or len(env.present_value) == 1


def test_the_text_of_a_model_file_gives_an_equal_environment(env):
    same = mo.loads(env.to_toml())
    assert same == env
    assert same.fingerprint == env.fingerprint
    assert env.kind == "interdependent" or same.exact == env.exact


def test_environments_without_exact_numbers_have_no_model_file():
    with pytest.raises(mo.InputError, match="do not sum to 1 exactly"):
        random_environment(0).to_toml()


def test_more_buyers_than_a_model_file_may_have():
    with pytest.raises(mo.errors.LimitError, match="at most 1,000"):
        mo.IndependentTypes.iid([1], [1], horizon=1, agents=1001).to_toml()


def plain_first_best(env, sweeps=200):
    """Backward induction by plain loops over profiles, from a zero value beyond the last period."""
    if env.kind == "independent":
        total = 0
        for t in range(env.horizon):
            rows = zip(env.exact.values, env.exact.probabilities, strict=True)
            distributions = [list(zip(v[t], p[t], strict=True)) for v, p in rows]
            surplus = sum(
                np.prod([p for _, p in profile]) * max(max(v for v, _ in profile) - env.exact.cost[t], 0)
                for profile in product(*distributions)
            )
            total += env.exact.discount**t * surplus
        return float(total)
    if env.kind == "separable":
        env = env.to_markov()
    endless = env.horizon == "infinite"
    following = {}
    for step in reversed(range(sweeps if endless else env.horizon)):
        t = 0 if endless else step
        after = 0 if endless else t + 1
        current = {}
        for now in product(*map(range, env.shape[t])):
            best = -np.inf
            for a, cost in enumerate(env.costs[t]):
                joint = env.kind == "interdependent"
                worth = sum(env.values[i][t][(a, *now) if joint else (a, now[i])] for i in range(env.agents)) - cost
                for then, later in following.items() if after < len(env.shape) else ():
                    chance = (
                        env.kernel[t][(a, *now, *then)]
                        if joint
                        else np.prod([env.kernel[i][t][a, now[i], then[i]] for i in range(env.agents)])
                    )
                    worth += env.discount * chance * later
                best = max(best, worth)
            current[now] = best
        following = current
    total = 0.0
    for now, value in following.items():
        own = zip(env.initial, now, strict=False) if env.kind != "interdependent" else ()
        total += value * (env.initial[now] if env.kind == "interdependent" else np.prod([p[k] for p, k in own]))
    return float(total)


def test_first_best_by_plain_loops(env):
    if finite_form(env):
        assert env.first_best == pytest.approx(plain_first_best(env), rel=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_first_best_of_separable_environments_with_agents_to_leave_out(seed):
    rng = np.random.default_rng(seed)
    env = mo.SeparableTypes(
        [[1, 2], [1, 2, 4]],
        [["1/2", "1/2"], ["1/4", "1/4", "1/2"]],
        base=rng.integers(-4, 5, (2, 2, 2)).tolist(),
        signal_initial=[["1/3", "2/3"], [["1/3", "2/3"], [1, 0], ["1/2", "1/2"]]],
        signal_kernel=[[["3/4", "1/4"], ["1/4", "3/4"]]] * 2,
        horizon=2,
        discount="9/10",
    )
    assert env.exclusion_matters
    markov = env.to_markov()
    assert env.first_best == pytest.approx(markov.first_best, rel=1e-12)
    assert env.first_best == pytest.approx(joint_process(env).first_best, rel=1e-12)
    assert env.first_best >= env.to_markov(exclusion=False).first_best - 1e-12
    long = dataclasses.replace(env, horizon=60, discount="1/2")
    assert dataclasses.replace(long, horizon="infinite").first_best == pytest.approx(long.first_best, rel=1e-12)


def test_first_best_of_an_infinite_horizon_by_hand():
    # worth 1 a period for ever, cost 1/2, discount 3/4: (1/2) / (1 - 3/4)
    env = mo.MarkovTypes([[[0], [1]]], [[[1]]], [[1]], cost=[0, "1/2"], discount="3/4")
    assert env.first_best == pytest.approx(2)


def test_an_environment_equals_only_its_own_kind(env):
    assert env == env and env != "x" and env != mo.IndependentTypes([[[17]]], [[[1]]])
    assert len(env.fingerprint) == len(hashlib.sha256().hexdigest())


def test_an_array_in_place_of_exact_lists_of_other_lengths_is_read_as_it_is():
    env = ENVIRONMENTS["markov"]
    with pytest.raises(mo.InputError):
        dataclasses.replace(env, values=np.zeros((2, 3, 2)))
    joint = ENVIRONMENTS["interdependent"]
    zero = dataclasses.replace(joint, values=np.zeros((2, 2, 2, 2)))
    assert zero.first_best == pytest.approx(0) and not zero.profile_values[0].any()
    assert dataclasses.replace(joint, values=np.array([row[0] for row in joint.values])).exact is not None
