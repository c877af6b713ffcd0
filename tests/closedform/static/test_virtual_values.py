from fractions import Fraction
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.closedform.static.virtual_values import utility_virtual_values, virtual_values
from tests.instances import distributions

UNIFORM_5 = ([1, 2, 3, 4, 5], ["1/5"] * 5)
EQUAL_REVENUE_3 = ([2, 4, 8], ["1/2", "1/4", "1/4"])
RISING_HAZARD = ([1, 2, 3], ["1/2", "1/8", "3/8"])


@pytest.mark.parametrize(
    ("buyer", "plain", "ironed"),
    [
        # phi_j = j - 1 * (5 - j)/5 / (1/5) = 2j - 5
        pytest.param(UNIFORM_5, [-3, -1, 1, 3, 5], [-3, -1, 1, 3, 5], id="uniform-on-five"),
        # 2 - 2 * (1/2)/(1/2) = 0, 4 - 4 * (1/4)/(1/4) = 0: any price earns the same
        pytest.param(EQUAL_REVENUE_3, [0, 0, 8], [0, 0, 8], id="equal-revenue"),
        # 1 - (1/2)/(1/2) = 0, 2 - (3/8)/(1/8) = -1, pooled (0 * 1/2 - 1 * 1/8) / (5/8) = -1/5
        pytest.param(RISING_HAZARD, [0, -1, 3], [-0.2, -0.2, 3], id="first-two-types-pooled"),
        # 0 - (3/4)/(1/4) = -3, 1 - 4 * (1/2)/(1/4) = -7, 5 - (1/4)/(1/4) = 4, 6; pooled (-3 - 7)/2
        pytest.param(([0, 1, 5, 6], ["1/4"] * 4), [-3, -7, 4, 6], [-5, -5, 4, 6], id="value-zero-in-a-pool"),
        # 1 - (3/5)/(2/5) = -1/2, 2 - 2 (2/5)/(1/5) = -2, 4 - (1/5)/(1/5) = 3, 5; -1/2 and -2 pool to -1
        pytest.param(([1, 2, 4, 5], ["2/5", "1/5", "1/5", "1/5"]), [-0.5, -2, 3, 5], [-1, -1, 3, 5], id="unequal"),
        pytest.param(([7], [1]), [7], [7], id="one-type"),
    ],
)
def test_revenue(buyer, plain, ironed):
    assert virtual_values(*buyer, ironed=False).tolist() == plain
    assert virtual_values(*buyer).tolist() == ironed


@pytest.mark.parametrize(
    ("buyer", "plain", "ironed"),
    [
        # (1) P(v >= j) / (1/3) = 4 - j, falling, so all pool to the mean value
        pytest.param(([1, 2, 3], ["1/3"] * 3), [3, 2, 1], [2, 2, 2], id="uniform-on-three"),
        # 2 * 1/(1/2), 2 * (1/2)/(1/4), 4 * (1/4)/(1/4)
        pytest.param(EQUAL_REVENUE_3, [4, 4, 4], [4, 4, 4], id="equal-revenue"),
        # 1 * 1/(3/4) = 4/3, 7 * (1/4)/(1/4) = 7: rises, the tail is fat
        pytest.param(([1, 8], ["3/4", "1/4"]), [4 / 3, 7], [4 / 3, 7], id="fat-tail"),
        # 0, 3 * (1/2)/(1/4) = 6, 1 * (1/4)/(1/4) = 1, pooled 7/2
        pytest.param(([0, 3, 4], ["1/2", "1/4", "1/4"]), [0, 6, 1], [0, 3.5, 3.5], id="value-zero"),
        pytest.param(([7], [1]), [7], [7], id="one-type"),
    ],
)
def test_utility(buyer, plain, ironed):
    assert utility_virtual_values(*buyer, ironed=False).tolist() == plain
    assert utility_virtual_values(*buyer).tolist() == ironed


# Types 2 and 4 have equal chances: revenue 2 - 2 = 0 and 4; utility 2 / (1/2) = 4 and 2 (1/2)/(1/2) = 2, pooled 3.
WITH_ZEROS = ([1, 2, 3, 4, 5], [0, "1/2", 0, "1/2", 0])


def test_types_of_probability_zero_take_a_neighbours_value():
    assert virtual_values(*WITH_ZEROS).tolist() == [-inf, 0, 0, 4, 4]
    assert utility_virtual_values(*WITH_ZEROS, ironed=False).tolist() == [4, 4, 2, 2, 2]
    assert utility_virtual_values(*WITH_ZEROS).tolist() == [3] * 5


def test_types_of_probability_zero_take_the_limit_of_ironed_values():
    tiny = Fraction(1, 10**9)
    values, chances = [1, 2, 3, 4], [tiny, Fraction(1, 2) - tiny, tiny, Fraction(1, 2) - tiny]
    revenue, utility = virtual_values(values, chances), utility_virtual_values(values, chances)
    assert revenue[0] < -1e8
    np.testing.assert_allclose(revenue[1:], [0, 0, 4], atol=1e-6)
    np.testing.assert_allclose(utility, [3] * 4, atol=1e-6)


def test_equal_virtual_values_are_equal_floats():
    values, chances = zip(*[(k / 10, 0.1) for k in range(1, 11)], strict=True)
    phi = virtual_values(values, chances)  # 0.1 k - (10 - k) 0.1 = 0.2 k - 1, exactly 0 at k = 5
    assert phi.tolist() == [float(Fraction(2 * k, 10) - 1) for k in range(1, 11)]
    assert not phi.flags.writeable


def averages(numbers, weights):
    """Isotonic regression by its max-min formula: max over a <= k of min over b >= k of the average over a..b."""
    mean = {
        (a, b): sum(n * w for n, w in zip(numbers[a : b + 1], weights[a : b + 1], strict=True))
        / sum(weights[a : b + 1])
        for a in range(len(numbers))
        for b in range(a, len(numbers))
    }
    return [max(min(mean[a, b] for b in range(k, len(numbers))) for a in range(k + 1)) for k in range(len(numbers))]


@settings(max_examples=60, deadline=None)
@given(distributions(6, zeros=False))
def test_ironing_is_the_max_min_average(buyer):
    weights = [float(p) for p in buyer[1]]
    for function in (virtual_values, utility_virtual_values):
        expected = averages(function(*buyer, ironed=False).tolist(), weights)
        np.testing.assert_allclose(function(*buyer), expected, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(distributions(6, zeros=False))
def test_means(buyer):
    # Everybody is served: revenue is the lowest value, utility (for free) the mean value.
    values, chances = buyer
    for ironed in (False, True):
        assert virtual_values(*buyer, ironed=ironed) @ np.array(chances, float) == pytest.approx(values[0], abs=1e-12)
        mean = float(sum(v * f for v, f in zip(values, chances, strict=True)))
        assert utility_virtual_values(*buyer, ironed=ironed) @ np.array(chances, float) == pytest.approx(mean)


@settings(max_examples=100, deadline=None)
@given(distributions(6, zeros=False), st.data())
def test_utility_is_the_virtual_one_only_where_the_allocation_is_constant_on_blocks(buyer, data):
    # u(v_j) = sum over l <= j of (v_l - v_(l-1)) x_l is what payments of at least 0 leave at most.
    values, chances = np.array(buyer[0], float), np.array(buyer[1], float)
    count = len(values)
    x = np.array(sorted(data.draw(st.lists(st.integers(0, 8), min_size=count, max_size=count)))) / 8
    theta, plain = utility_virtual_values(*buyer), utility_virtual_values(*buyer, ironed=False)

    def expected_utility(x):
        return chances @ np.cumsum(np.diff(values, prepend=0.0) * x)

    assert expected_utility(x) == pytest.approx((chances * plain) @ x, abs=1e-12)
    assert expected_utility(x) <= (chances * theta) @ x + 1e-12
    flat = np.array([x[theta == own][0] for own in theta])
    assert expected_utility(flat) == pytest.approx((chances * theta) @ flat, abs=1e-12)


def test_utility_is_below_the_virtual_one_inside_a_block():
    # Uniform on {1, 2, 3}, x = (0, 0, 1): u = (0, 0, 1), E u = 1/3, but E[2 x] = 2/3 against the print of Theorem E.1.
    theta = utility_virtual_values([1, 2, 3], ["1/3"] * 3)
    assert theta @ [0, 0, 1] / 3 == pytest.approx(2 / 3)


@pytest.mark.parametrize("function", [virtual_values, utility_virtual_values], ids=["revenue", "utility"])
def test_every_fault_is_named(function):
    with pytest.raises(mo.InputError) as error:
        function([3, -1, 3], [0.5, "x", 0.4])
    assert [fault.where for fault in error.value.faults] == ["probabilities[1]"]
    with pytest.raises(mo.InputError) as error:
        function([3, -1, 3], [0.5, 0.1, 0.3])
    assert [fault.where for fault in error.value.faults] == ["values[1]", "values[1]", "probabilities"]


def test_faults_of_float_arrays_are_named_each_time():
    for _ in range(2):
        with pytest.raises(mo.InputError, match=r"probabilities: sums to 0\.9, not 1"):
            virtual_values(np.array([1.0, 2.0]), np.array([0.5, 0.4]))
