r"""Why constant continuation utility loses nothing with two periods: the proof as a transform of mechanisms.

One buyer, scenarios of one period or two. At a first distribution let u be the buyer's utility in the scenario that
stops there, by type, and :math:`S^j` what she can expect of both periods in scenario j. By DIC the steps of all of them
lie in :math:`[D_k x_k, D_k x_{k+1}]`. Let u' have the least of these steps and the mean of u, and :math:`S'^j = u' +
c_j` the mean of :math:`S^j`; keep x. Then DIC stays, :math:`u'_1 \ge u_1 \ge 0` and :math:`S'^j_1 \ge S^j_1 \ge 0`, and
continuation utility is :math:`c_j` whatever is reported. The second period is worth :math:`G_j(S)` to a buyer who is
promised S, with :math:`G_j` concave: a mixture of posted prices, and what is missing of the promise as a gift. As
:math:`S^j - S'^j` does not fall in the type and has mean 0, nor does :math:`S'^j` fall, :math:`E G_j(S'^j) \ge E
G_j(S^j)`: revenue does not fall in any scenario.

It is the reduction of Lemma C.1 that finite types have. With three periods scenarios that share the second one would
need common steps there. Source: the setting is that of Mirrokni, Paes Leme, Tang and Zuo (2020), supplement C.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mechopt.closedform.bank.conversions import partially_realised
from mechopt.core.errors import InputError, require_type
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.independent import IndependentTypes
from mechopt.mechanism.constraints import DIC, EPIR, INDU, PPIC
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.scenarios.mechanism import ScenariosMechanism
from mechopt.mechanism.scenarios.non_clairvoyant import NonClairvoyant
from mechopt.verification.scenarios.check import verify_scenarios


def constant_increments(rule: ScenariosMechanism) -> ScenariosMechanism:
    """Give a rule over one period and two constant continuation utility, at no loss in any scenario.

    Parameters
    ----------
    rule : ScenariosMechanism
        Non-clairvoyant, DIC and EPIR; one buyer, at most two periods.

    Returns
    -------
    ScenariosMechanism
        With the same allocation in first periods, at least the revenue of the given one in every scenario, and INDU.

    Raises
    ------
    InputError
        If there are several buyers or more periods, or the rule is not what it must be.

    Examples
    --------
    >>> import mechopt as mo
    >>> best = mo.maximin(mo.load("mirrokni-2020/maximin-equal-revenue-5"))
    >>> made = constant_increments(best.rule)
    >>> mo.verify(made, mo.INDU()).holds, min(b - a for a, b in zip(best.revenues, made.revenues)) > -1e-9
    (True, True)
    """
    require_type(rule, "ScenariosMechanism", "constant_increments", "give mo.mechanisms.ScenariosMechanism(...)")
    scenarios = rule.scenarios
    if scenarios.agents > 1 or max(map(len, scenarios.sequences)) > 2 or scenarios.absorbing:
        raise InputError("constant increments are for one buyer and scenarios of at most two periods; see docs/lemmas")
    report = verify_scenarios(rule, (NonClairvoyant(), DIC(), EPIR()))
    if not report.holds:
        raise InputError(f"the rule is not non-clairvoyant, DIC and EPIR: {report}")
    made: list[Mechanism | None] = [None] * len(scenarios)
    for first in dict.fromkeys(sequence[0] for sequence in scenarios.sequences):
        members = [s for s, sequence in enumerate(scenarios.sequences) if sequence[0] == first]
        promised = [partially_realised(rule.mechanisms[s])[1][0] for s in members]  # of a single period: u itself
        steps = np.min([np.diff(one) for one in promised], axis=0)
        distribution = scenarios.environments[members[0]].probabilities[0][0]
        shape = np.concatenate([[0.0], np.cumsum(steps)])
        stops = [one for s, one in zip(members, promised, strict=True) if len(scenarios.sequences[s]) == 1]
        realised = shape + (float((stops[0] - shape) @ distribution) if stops else 0.0)
        for s, one in zip(members, promised, strict=True):
            made[s] = _made(rule.mechanisms[s], realised, shape + float((one - shape) @ distribution))
    kept = (NonClairvoyant(), DIC(), PPIC(), INDU(), EPIR())
    return ScenariosMechanism(scenarios, tuple(one for one in made if one is not None), kept)


def _made(given: Mechanism, realised: FloatArray, promised: FloatArray) -> Mechanism:
    """The mechanism of one scenario: realised utility after the first period, and what is promised in all, by type."""
    env = given.environment
    sold = given.allocation[0]
    allocation, payment = [sold], [env.values[0][0] * sold - realised]
    if env.horizon == 2:
        then, utility = zip(*(_last_period(env, float(promise)) for promise in promised), strict=True)
        worth, later = float(env.present_value[1]), np.stack(utility) - realised[:, None]
        allocation.append(np.stack(then)[None])
        payment.append((worth * env.values[0][1] * np.stack(then) - later)[None] / worth)
    words = f"constant continuation utility: {given.source}"
    claims = (DIC(), PPIC(), INDU(), EPIR())
    return Mechanism(env, tuple(map(readonly, allocation)), tuple(map(readonly, payment)), claims, words)


def _last_period(env: IndependentTypes, promise: float) -> tuple[FloatArray, FloatArray]:
    """Allocation and utility by type, present value, that are worth most among those with an expected utility."""
    values, distribution = env.present_value[1] * env.values[0][1], env.probabilities[0][1]
    surplus = env.present_value[1] * env.surplus[0][1]
    prices = [*range(values.size), values.size]  # the last one sells nothing
    rules = np.array([(np.arange(values.size) >= j).astype(np.float64) for j in prices])
    utilities = np.array([np.maximum(values - values[min(j, values.size - 1)], 0.0) * rules[j] for j in prices])
    means, worths = utilities @ distribution, rules @ (distribution * surplus)
    corners = _frontier(means, worths)
    ends = means[corners]
    right = min(int(np.searchsorted(ends, promise)), len(corners) - 1)
    left = max(right - 1, 0)
    gap = ends[right] - ends[left]
    share = float(np.clip((promise - ends[left]) / gap, 0.0, 1.0)) if gap > 0 else 1.0
    here, there = corners[left], corners[right]
    sold = (1 - share) * rules[here] + share * rules[there]
    utility = (1 - share) * utilities[here] + share * utilities[there]
    return sold, utility + (promise - float(utility @ distribution))


def _frontier(means: FloatArray, worths: FloatArray) -> Sequence[int]:
    """Corners of the upper hull from the least mean to the largest worth."""
    order = sorted(range(len(means)), key=lambda k: (means[k], -worths[k]))
    best = int(np.argmax(worths))
    hull: list[int] = []
    for k in order:
        if hull and means[k] - means[hull[-1]] <= 0:
            continue
        while len(hull) > 1:
            i, j = hull[-2:]
            if (means[j] - means[i]) * (worths[k] - worths[i]) < (means[k] - means[i]) * (worths[j] - worths[i]):
                break
            hull.pop()
        hull.append(k)
        if means[k] >= means[best]:
            break
    return hull
