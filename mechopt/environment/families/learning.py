"""Families in which agents learn what something is worth to them by getting it.

A Bernoulli rate that nobody knows has a Beta distribution at first, and by Bayes' rule later; what counts is its
posterior mean. After a number of observations learning ends and the mean stays: expectations remain a martingale, so
nothing that rests on this is approximate.

Source: Bergemann and Valimaki (2010), section 5: licensing. Kakade, Lobel and Nazerzadeh (2013), section 2.3: sponsored
search.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any, NamedTuple

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.environment.families.checks import discount_faults, distributions_by_agent
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading import check
from mechopt.environment.reading.nested import numbers
from mechopt.environment.separable import SeparableTypes

MAX_ACTIONS = 2_000
"""Largest number of ways to fill the positions."""
MAX_OBSERVATIONS = 20
"""Largest number of observations: 231 types an agent."""


class Learning(NamedTuple):
    """Beta-Bernoulli learning that ends after a number of observations.

    Attributes
    ----------
    names : list of str
        States "s-f" for s successes and f failures, ordered by their sum and then by s.
    means : list of Fraction
        Posterior means.
    learning, still : nested lists ``[state][next]``
        Distributions of the next state with and without an observation.
    """

    names: list[str]
    means: list[Fraction]
    learning: list[list[Any]]
    still: list[list[int]]


def beta_learning(prior: Sequence[Fraction], observations: int) -> Learning:
    """Write down the states of Beta-Bernoulli learning and how they move.

    Parameters
    ----------
    prior : pair of Fraction
        Parameters of the Beta distribution: of successes and of failures.
    observations : int
        After how many learning ends.

    Examples
    --------
    >>> states = beta_learning((Fraction(1), Fraction(1)), 1)
    >>> states.names, [str(mean) for mean in states.means]
    (['0-0', '0-1', '1-0'], ['1/2', '1/3', '2/3'])
    """
    counts = [(s, seen - s) for seen in range(observations + 1) for s in range(seen + 1)]
    place, size = {count: k for k, count in enumerate(counts)}, len(counts)
    successes, failures = prior
    means = [(successes + s) / (successes + failures + s + f) for s, f in counts]
    still = [[int(k == to) for to in range(size)] for k in range(size)]
    learning: list[list[Any]] = [list(row) for row in still]
    for (s, f), k in place.items():
        if s + f < observations:
            learning[k][k] = 0
            learning[k][place[s + 1, f]], learning[k][place[s, f + 1]] = means[k], 1 - means[k]
    return Learning([f"{s}-{f}" for s, f in counts], means, learning, still)


def licensing(priors: Any, observations: int, discount: Any) -> MarkovTypes:
    """Build the environment in which one bidder a period gets a licence and learns what it is worth to her.

    A licence pays its holder 1 with a probability that she does not know. Whoever holds none learns nothing.

    Parameters
    ----------
    priors : sequence over bidders of pairs of numbers
        Parameters of the Beta distributions, above 0: those of successes and of failures.
    observations : int
        After how many a bidder learns no more; from 0 to 20.
    discount : number
        In (0, 1).

    Returns
    -------
    MarkovTypes
        Action i gives the licence to bidder i. Types are named "s-f" for s successes and f failures, ordered by their
        sum and then by s; everybody starts at "0-0". Values are posterior means.

    Raises
    ------
    InputError
        With every fault of the arguments.

    References
    ----------
    Bergemann and Valimaki (2010), section 5.

    Examples
    --------
    >>> env = licensing([(1, 1), (2, 1)], 2, "9/10")
    >>> env, env.types[0][0]
    (MarkovTypes(2 agents, 2 actions, 36 profiles, infinite horizon), ('0-0', '0-1', '1-0', '0-2', '1-1', '2-0'))
    """
    faults: list[Fault] = []
    states = _states(priors, observations, faults)
    faults += discount_faults(discount)
    if faults:
        raise InputError(faults)
    bidders = range(len(states))
    return MarkovTypes(
        values=[[s.means if a == i else [0] * len(s.means) for a in bidders] for i, s in enumerate(states)],
        kernel=[[s.learning if a == i else s.still for a in bidders] for i, s in enumerate(states)],
        initial=[s.still[0] for s in states],
        actions=[f"licence {i}" for i in bidders],
        types=[s.names for s in states],
        discount=discount,
    )


def sponsored_search(
    profits: Any,
    probabilities: Any,
    priors: Any,
    observations: int,
    discount: Any,
    horizon: Any = "infinite",
    positions: Any = (1,),
) -> SeparableTypes:
    """Build the environment in which advertisers are shown in positions, and learn how often a click ends in a sale.

    An advertiser knows from the start what a sale earns her; her conversion rate she learns by clicks. In a position
    she is clicked at its rate: what it is worth to her is profit, rate and expected conversion multiplied, and she
    learns from a click alone.

    Parameters
    ----------
    profits : sequence over advertisers of sequences of numbers
        What a sale may earn, at least 0, increasing.
    probabilities : sequence over advertisers of sequences of numbers
        Their distributions.
    priors : sequence over advertisers of pairs of numbers
        Parameters of the Beta distributions of the conversion rates, above 0: of sales and of showings without one.
    observations : int
        After how many showings an advertiser learns no more; from 0 to 20.
    discount : number
        In (0, 1), or up to 1 with a finite horizon.
    horizon : int or "infinite"
        Number of periods with showings.
    positions : sequence of numbers
        Click rates of the positions, in (0, 1], none above the one before; default: one position, always clicked.

    Returns
    -------
    SeparableTypes
        Action 0 shows nobody; with one position action i + 1 shows advertiser i. With several, actions are lists of
        different advertisers from the first position down, shorter ones first. Signals as the types of `licensing`.

    Raises
    ------
    InputError
        With every fault of the arguments.

    References
    ----------
    Kakade, Lobel and Nazerzadeh (2013), section 2.3.

    Examples
    --------
    >>> sponsored_search([[1, 2], [1, 3]], [["1/2", "1/2"]] * 2, [(1, 1), (1, 2)], 2, "9/10")
    SeparableTypes(2 agents, 3 actions, 4 initial profiles, 36 signal profiles, infinite horizon)
    >>> sponsored_search([[1, 2], [1, 3]], [["1/2", "1/2"]] * 2, [(1, 1), (1, 2)], 1, 1, 2, [1, "1/2"]).actions
    ('none', 'show 0', 'show 1', 'show 0, 1', 'show 1, 0')
    """
    faults: list[Fault] = []
    states = _states(priors, observations, faults)
    distributions_by_agent(profits, probabilities, len(states), ("profits", "probabilities"), "advertiser", faults)
    faults += discount_faults(discount, horizon)
    rates = _click_rates(positions, faults)
    if faults:
        raise InputError(faults)
    shown = [a for size in range(len(rates) + 1) for a in permutations(range(len(states)), size)]
    if len(shown) > MAX_ACTIONS:
        raise LimitError(f"{len(shown):,} ways to fill the positions, above {MAX_ACTIONS}; use fewer positions")
    by_action = [[rates[a.index(i)] if i in a else Fraction(0) for a in shown] for i in range(len(states))]
    return SeparableTypes(
        initial_values=profits,
        initial_probabilities=probabilities,
        base=[[[rate * m for m in s.means] for rate in row] for s, row in zip(states, by_action, strict=True)],
        signal_initial=[s.still[0] for s in states],
        signal_kernel=[[_clicked(s, rate) for rate in row] for s, row in zip(states, by_action, strict=True)],
        signals=[s.names for s in states],
        actions=["none", *(f"show {', '.join(map(str, a))}" for a in shown[1:])],
        horizon=horizon,
        discount=discount,
    )


def _click_rates(positions: Any, faults: list[Fault]) -> list[Fraction]:
    """Rates by position; what is wrong with them is appended to the faults."""
    rates = list(check.exact_list(positions, "positions", faults) or ())
    if not rates and not any(fault.where.startswith("positions") for fault in faults):
        faults.append(Fault("positions", "is empty", "give the click rate of at least one position"))
    for q, rate in enumerate(rates):
        if not 0 < rate <= 1:
            faults.append(Fault(f"positions[{q}]", f"is {check.shown(rate)}", "a click rate is above 0 and at most 1"))
        elif q and rate > rates[q - 1]:
            what = f"{check.shown(rate)} is above {check.shown(rates[q - 1])} before it"
            faults.append(Fault(f"positions[{q}]", what, "list the positions from the best one down"))
    return rates


def _clicked(states: Learning, rate: Fraction) -> list[list[Any]]:
    """Distribution of the next state where an observation is made at a rate."""
    pairs = zip(states.learning, states.still, strict=True)
    return [[rate * p + (1 - rate) * q for p, q in zip(new, old, strict=True)] for new, old in pairs]


def _states(priors: Any, observations: Any, faults: list[Fault]) -> list[Learning]:
    """Learning of each agent; empty after a fault."""
    before, exact = len(faults), numbers(priors, 2, "priors", faults)
    for i, prior in enumerate(exact or ()):
        if len(prior) != 2:
            faults.append(Fault(f"priors[{i}]", f"has {len(prior)} entries", "give two, such as (1, 1)"))
        faults += [
            Fault(f"priors[{i}][{k}]", f"is {check.shown(number)}", "it must be above 0")
            for k, number in enumerate(prior)
            if number <= 0
        ]
    if type(observations) is not int or not 0 <= observations <= MAX_OBSERVATIONS:
        fix = f"write a whole number from 0 to {MAX_OBSERVATIONS}"
        faults.append(Fault("observations", f"is {observations!r}", fix))
    return [] if len(faults) > before else [beta_learning(prior, observations) for prior in exact]
