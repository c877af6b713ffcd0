"""From a panel to a Markov chain."""

from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.core.errors import InputError
from mechopt.study.fit.panel import fit_panel

# types 1 and 3. ann: 1 1 3, then a gap, 3; bob: 3 1; eve is seen once
VALUES = [1, 1, 3, 3, 3, 1, 1]
BIDDER = ["ann", "ann", "ann", "ann", "bob", "bob", "eve"]
PERIOD = [0, 1, 2, 5, 1, 2, 0]


def simulated(kernel, values, bidders, periods, rng):
    """Chains that begin with equal probabilities; drawn by inverting the cumulated rows."""
    cumulated, state = np.cumsum(kernel, axis=1), rng.integers(len(values), size=bidders)
    rows = []
    for t in range(periods):
        rows += [(values[k], f"bidder {i}", t) for i, k in enumerate(state)]
        state = (rng.random(bidders)[:, None] > cumulated[state]).sum(axis=1)
    return zip(*rows, strict=True)


def test_counts_shares_and_gaps_by_hand():
    # transitions ann 1-1, 1-3; bob 3-1; first types 1 (ann, eve), 3 (bob); 1/2 added to each count
    fit = fit_panel(VALUES, bidder=BIDDER, period=PERIOD, types=2)
    assert fit.transitions.tolist() == [[1, 1], [1, 0]]
    exact = fit.environment.exact
    assert exact.kernel[0][0][0] == ((Fraction(1, 2), Fraction(1, 2)), (Fraction(3, 4), Fraction(1, 4)))
    assert exact.initial[0] == (Fraction(5, 8), Fraction(3, 8))
    assert exact.values[0][0] == ((0, 0), (1, 3))
    assert any(note.startswith("1 pair of observations is more than one period apart") for note in fit.notes)
    assert fit.values.tolist() == [1, 3]


def test_order_of_the_rows_does_not_matter():
    fit = fit_panel(VALUES, bidder=BIDDER, period=PERIOD, types=2)
    order = np.random.default_rng(0).permutation(len(VALUES))
    turned = fit_panel(np.array(VALUES)[order], bidder=np.array(BIDDER)[order], period=np.array(PERIOD)[order], types=2)
    assert turned.environment == fit.environment


def test_without_smoothing_the_shares_are_plain_and_a_type_without_a_way_on_is_refused():
    plain = fit_panel(VALUES, bidder=BIDDER, period=PERIOD, types=2, smoothing=0)
    assert plain.environment.exact.kernel[0][0][0][1] == (1, 0)
    with pytest.raises(InputError, match="smoothing: is 0, and no transition leads from type 1; use fewer types"):
        fit_panel([1, 1, 1, 3], bidder=["a", "a", "b", "b"], period=[0, 1, 0, 1], types=2, smoothing=0)


def test_known_kernel_is_recovered_within_the_intervals():
    kernel = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.05, 0.25, 0.7]])
    held = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        values, bidder, period = simulated(kernel, [1, 2, 4], 150, 8, rng)
        fit = fit_panel(values, bidder=bidder, period=period, types=3, resamples=200, seed=seed)
        low, high = np.moveaxis(fit.interval.kernel, -1, 0)
        held += ((low <= kernel) & (kernel <= high)).ravel().tolist()
        assert fit.environment.kernel[0][0][0] == pytest.approx(kernel, abs=0.1)
    assert 0.85 <= np.mean(held) <= 1


def test_bidders_are_drawn_anew_not_rows():
    # two bidders who never change: a sample of bidders has one of them with probability 1/2
    fit = fit_panel([1, 1, 1, 3, 3, 3], bidder=["a"] * 3 + ["b"] * 3, period=[0, 1, 2] * 2, types=2)
    assert fit.interval.probabilities[0].tolist() == pytest.approx([0.5 / 3, 2.5 / 3])
    kinds = {tuple(env.values[0][0].max(axis=0)) for env in fit.resampled(40)}
    assert kinds == {(1.0,), (3.0,), (1.0, 3.0)}


@pytest.mark.slow
def test_two_processes_estimate_what_one_estimates():
    one, two = (fit_panel(VALUES, bidder=BIDDER, period=PERIOD, types=2, resamples=60, workers=w) for w in (1, 2))
    for name in ("probabilities", "cumulative", "mean", "kernel"):
        assert np.array_equal(getattr(one.interval, name), getattr(two.interval, name))
    assert one.resampled(30, workers=2) == one.resampled(30)


def test_model_file_of_two_buyers_is_read_back(tmp_path):
    fit = fit_panel(VALUES, bidder=BIDDER, period=PERIOD, types=2, buyers=2, periods=3, cost="1/3", discount=1)
    fit.save(tmp_path / "chain.toml")
    again = mo.load(tmp_path / "chain.toml")
    assert again == fit.environment
    assert again.action_names(0) == ("none", "sell to 0", "sell to 1")
    assert again.values[1][0].tolist() == [[0, 0], [0, 0], [1, 3]]
    assert again.exact.cost == (0, Fraction(1, 3), Fraction(1, 3))


def test_a_file_with_bidders_that_look_like_formulas(tmp_path):
    path = tmp_path / "panel.csv"
    path.write_text("who,t,v\n=1+1,0,1\n=1+1,1,3\n@b,0,3\n@b,1,1\n,1,2\n")
    fit = fit_panel(path, "v", bidder="who", period="t", types=2, drop_missing=True)
    assert fit.transitions.tolist() == [[0, 1], [1, 0]]
    assert [str(entry) for entry in fit.dropped] == ["1 row: a cell is missing (line 6)"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bidder": None}, "bidder: is missing; a panel says who and when"),
        ({"period": None}, "period: is missing"),
        ({"period": [0, 1, 1, 5, 1, 2, 0]}, "period[2]: bidder 'ann' has another value in period 1"),
        ({"period": [0, 1, 2.5, 5, 1, 2, 0]}, "period[2]: is 2.5, not a whole number"),
        ({"bidder": ["ann"] * 7, "period": range(7)}, "bidder: names 1 bidder; a panel takes at least 2"),
        ({"period": [0, 2, 4, 6, 1, 3, 0]}, "period: no bidder is seen in two consecutive periods"),
        ({"bidder": ["ann"]}, "bidder: is not a list with one entry a row"),
        ({"smoothing": -1}, "smoothing: is -1; it must be at least 0"),
        ({"smoothing": "much"}, "smoothing: 'much' is not a number"),
        ({"types": 201}, "types: is 201; at most 200 in a panel"),
        ({"buyers": 0}, "buyers: is 0"),
        ({"level": 1}, "level: is 1"),
        ({"discount": 1}, "discount"),
    ],
    ids=[
        "no-bidder",
        "no-period",
        "twice",
        "half-period",
        "one-bidder",
        "only-gaps",
        "too-few",
        "negative-smoothing",
        "text-smoothing",
        "types",
        "buyers",
        "level",
        "undiscounted-forever",
    ],
)
def test_panels_that_are_none(change, message):
    with pytest.raises(InputError) as caught:
        fit_panel(VALUES, **{"bidder": BIDDER, "period": PERIOD, "types": 2, **change})
    assert message in str(caught.value)
