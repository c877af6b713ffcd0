"""Random families: what is drawn keeps its law, is exact, and is the same for the same seed and number."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.modelfile.writing import model_text
from mechopt.study.sweep.random_family import PROBABILITY_LAWS, VALUE_LAWS, FamilyTable
from mechopt.study.sweep.study_file import read_study
from tests.study.sweeps import MANY, write_study


def drawn(count=1, seed=0, **keys):
    """Environments of a family."""
    family = FamilyTable.model_validate(keys)
    return [mo.loads(model_text(family.draw(seed, number))) for number in range(count)]


@pytest.mark.parametrize("probabilities", PROBABILITY_LAWS)
@pytest.mark.parametrize("values", VALUE_LAWS)
def test_every_law_gives_exact_models_of_the_asked_shape(values, probabilities):
    laws = {"values": {"law": values}, "probabilities": {"law": probabilities}}
    for env in drawn(5, buyers=2, horizon=3, types=4, **laws):
        assert (env.agents, env.horizon) == (2, 3)
        assert env.shape == ((4, 4),) * 3
        assert env.exact is not None


def test_lists_are_drawn_from_evenly():
    envs = drawn(200, buyers=[1, 2, 3], horizon=[1, 2], types=[1, 2], discount=["1/2", 1])
    for counts, expected in (
        ([env.agents for env in envs], 3),
        ([env.horizon for env in envs], 2),
        ([env.shape[0][0] for env in envs], 2),
        ([env.discount for env in envs], 2),
    ):
        frequencies = np.unique(counts, return_counts=True)[1] / 200
        # five standard deviations of a frequency of 200 draws: at most 5 * sqrt(1/4 / 200) = 0.177
        assert frequencies == pytest.approx([1 / expected] * expected, abs=0.177)


def test_instance_depends_on_seed_and_number_only():
    assert drawn(3, seed=5) == drawn(6, seed=5)[:3]
    assert drawn(3, seed=5) != drawn(3, seed=6)
    assert len({env.fingerprint for env in drawn(20)}) == 20


def test_values_follow_their_laws():
    """Means of 400 single draws within five standard errors."""
    uniform = [
        env.values[0][0][0] for env in drawn(400, horizon=1, types=1, values={"law": "uniform", "low": 2, "high": 4})
    ]
    assert min(uniform) >= 2
    assert max(uniform) <= 4
    assert np.mean(uniform) == pytest.approx(3, abs=5 * (2 / 12**0.5) / 400**0.5)
    law = {"law": "lognormal", "mean": 1, "deviation": "1/2"}
    logs = np.log([env.values[0][0][0] for env in drawn(400, horizon=1, types=1, values=law)])
    assert np.mean(logs) == pytest.approx(1, abs=5 * 0.5 / 400**0.5)
    assert np.std(logs) == pytest.approx(0.5, abs=5 * 0.5 / 800**0.5)


def test_equal_revenue_earns_the_lowest_value_at_every_price():
    (env,) = drawn(1, horizon=1, types=5, probabilities={"law": "equal-revenue"})
    values, law = env.exact.values[0][0], env.exact.probabilities[0][0]
    assert [value * sum(law[k:]) for k, value in enumerate(values)] == [values[0]] * 5


def test_equal_probabilities_are_exact():
    (env,) = drawn(1, horizon=1, types=3, probabilities={"law": "equal"})
    assert env.exact.probabilities[0][0] == (Fraction(1, 3),) * 3


def test_same_periods_and_same_buyers_share_distributions():
    (env,) = drawn(1, buyers=2, horizon=3, same_periods=True)
    assert len({row[t].tobytes() for row in env.values for t in range(3)}) == 2
    (env,) = drawn(1, buyers=2, horizon=3, same_buyers=True)
    assert [row[0].tolist() for row in env.values] == [env.values[0][0].tolist()] * 2
    assert len({values.tobytes() for values in env.values[0]}) == 3


def test_law_without_distinct_values_is_refused():
    with pytest.raises(mo.InputError, match="were not distinct; widen the law"):
        drawn(1, types=5, values={"law": "uniform", "low": 1, "high": "100001/100000"})


def test_family_on_a_grid_is_every_instance_at_every_value(tmp_path):
    text = MANY.format(count=3) + "same_periods = true\n[grid]\ndiscount = [1, 0.5]"
    points = list(read_study(write_study(tmp_path, text)).points())
    assert [point.varied["discount"] for point in points] == [1, 0.5] * 3
    envs = [mo.loads(point.text) for point in points]
    assert [env.discount for env in envs] == [1, 0.5] * 3
    assert all(envs[k].exact.values == envs[k + 1].exact.values for k in (0, 2, 4))
    assert [point.varied["horizon"] for point in points] == [env.horizon for env in envs]
    assert [point.varied["types"] for point in points] == [env.shape[0][0] for env in envs]
