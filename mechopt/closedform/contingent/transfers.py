r"""Efficient mechanisms for interdependent values: transfers contingent on what the others report next.

In period t + 1 agent i pays p_{t+1}(th_{t+1}^-i, r_t^i; a_t, th_t^-i): what the others report then tells, in
expectation, of what she saw the period before. Chosen to be worth minus the others' surplus (`contingent_targets`),
such transfers make the social surplus hers, and the truth a periodic ex post equilibrium (Theorem 3.1 under convex
independence, where they depend on her own report; Theorem 3.2 under spanning, where they do not). In the last period
nothing comes later: either the efficient allocation is ex post implementable and its payments are added (Assumption 4),
or one action is taken whatever the reports (Corollary 3.3).

Where this departs from the slides: the target of the period before the last has a term that they miss; the
pseudo-inverse is transposed; Corollary 3.3 with transfers free of the own report needs spanning, and with convex
independence alone takes transfers that depend on it; conditions are asked for t < T, and only where some report leads.

Both conditions are sufficient, not necessary. `method="any"` asks for no condition: it is the linear program of all
such transfers (`mechopt.closedform.contingent.program`), which leaves the truthful continuation free where the theorems
make it W. It finds transfers wherever there are any, the smallest ones unless asked otherwise, and else a proof.

The seller's cost, which the slides do not have, counts as a further agent without signals: others' surplus is net of
it. The first period has no transfer; expected payments leave agents the social surplus, so they say nothing of budgets.

Source: Liu (2025), Theorems 3.1 and 3.2, Corollary 3.3, Lemmas A.3 and A.4.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mechopt.closedform.contingent.conditions.spanning import distinct, exact_columns, matrices
from mechopt.closedform.contingent.gain import by_report, expected_payment, gains
from mechopt.closedform.contingent.program.closed_exact import exact_closed
from mechopt.closedform.contingent.program.possible import any_transfers
from mechopt.closedform.contingent.program.requirements import Aim, Balance, Form, Participation, requirements
from mechopt.closedform.contingent.result import ContingentTransfers, Method, finished, shaped
from mechopt.closedform.contingent.setting import LastRule, Setting, prepare, require_transferable
from mechopt.closedform.contingent.solve import BY_TARGET, System, separate, span
from mechopt.closedform.contingent.stacked.solve import stacked
from mechopt.closedform.contingent.targets import by_own_signal, target
from mechopt.core.errors import InputError
from mechopt.environment.interdependent import InterdependentTypes

ANYTHING = {"objective": "smallest", "participation": None, "balance": None, "form": "free"}


def contingent_transfers(
    environment: InterdependentTypes,
    method: Method = "convex",
    last_period: LastRule = "efficient",
    rule: Any = None,
    smallest: bool = False,
    last_action: int | None = None,
    steps: int | Literal["auto"] = 2,
    *,
    joint: bool = False,
    objective: Aim = "smallest",
    participation: Participation | None = None,
    outside: Any = 0,
    fee: bool = False,
    cap: Any = None,
    balance: Balance | None = None,
    form: Form = "free",
    exact: bool = False,
) -> ContingentTransfers:
    """Solve for contingent transfers.

    Parameters
    ----------
    environment : InterdependentTypes
    method : {"convex", "spanning", "stacked", "any"}
        Which condition they rest on: convex independence (transfers depend on the own report), spanning (they do not),
        or either for several future periods stacked; see `mechopt.closedform.contingent.stacked`. Or on none: all
        transfers that depend on the own report, by a linear program; see `mechopt.closedform.contingent.program`.
    last_period : {"efficient", "constant"}
        Whether the last period's allocation is the efficient one, which then has to be ex post implementable, or one
        action whatever the reports.
    rule : list over periods of int arrays ``(*signals,)``, optional
        Any allocation rule instead of the efficient one, its last period ex post implementable. Truthful agents then
        pay 0 in expectation before the last period, and are indifferent among reports.
    smallest : bool
        Whether to minimise the largest entry of each transfer by a linear program, instead of the closed form (convex)
        or the shortest solution (spanning). Not for stacked transfers where transitions depend on actions.
    last_action : int, optional
        The constant action; default: the one with the largest expected surplus.
    steps : int or "auto"
        Number of future periods to stack; "auto" for the fewest with which there are transfers.
    joint : bool
        Whether stacked transfers use the joint distribution of these periods instead of that of each.
    objective : {"smallest", "deficit", "surplus"}
        For "any", as all that follows: the least largest payment, the least expected deficit, or the largest expected
        surplus of the budget; of several solutions the one with the smallest largest payment.
    participation : {None, "ex-ante", "interim", "ex-post"}
        Whether what the truth is worth less the entry fee is at least `outside`: before the first signal, given the own
        one, or at every profile of first signals.
    outside : number, or one for each agent
        Present value of not taking part.
    fee : bool
        Whether agents pay, or get, an entry fee in the first period, the same whatever the signals.
    cap : number, optional
        Largest payment, of either sign.
    balance : {None, "ex-ante", "weak", "strong"}
        Whether payments cover the seller's costs in expectation, or in every period after all reports; "strong": equal
        them there.
    form : {"free", "vcg", "surplus"}
        What the truth is worth to an agent before the last period: anything; the social surplus less a function of the
        others' signals; the social surplus itself, as in Lemma A.3.
    exact : bool
        Whether to find the transfers in fractions too; they satisfy every inequality exactly. The smallest ones of
        "any" are near to the smallest; those of a theorem or a stack are its closed form, or with `smallest` exactly
        the smallest ones that meet each target, which multipliers prove as they are found.

    Returns
    -------
    ContingentTransfers

    Raises
    ------
    ConditionError
        If a condition fails where some report leads, naming agent, action and signals. For "any", a `NoTransfersError`
        whose `farkas` proves that there are none.
    InputError
        If an argument does not fit.

    References
    ----------
    Liu (2025), Theorems 3.1 and 3.2, Corollary 3.3; with the corrections of this module.

    Examples
    --------
    Each of two agents sees today what the other will see tomorrow, with probability 3/4; the item goes to either, worth
    the sum of the signals plus half one's own.

    >>> stay = np.array([[0.75, 0.25], [0.25, 0.75]])
    >>> kernel = np.einsum("xb,ya->xyab", stay, stay)
    >>> worth = [[0, 1], [1.5, 2.5]]
    >>> none = [[0, 0], [0, 0]]
    >>> env = InterdependentTypes(
    ...     [[worth, none], [none, np.transpose(worth).tolist()]], kernel, stay / 2, discount=0.9
    ... )
    >>> found = contingent_transfers(env, method="spanning")
    >>> found.gain < 1e-12, found.payments[0][0].shape
    (True, (2, 2, 2))
    """
    require_transferable(environment, "contingent_transfers")
    if method not in ("convex", "spanning", "stacked", "any"):
        raise InputError(f"method: {method!r} is none of 'convex', 'spanning', 'stacked', 'any'")
    chosen = {"objective": objective, "participation": participation, "balance": balance, "form": form}
    asked = requirements(environment.agents, outside, cap, fee=fee, **chosen)
    if method == "any":
        return any_transfers(environment, last_period, rule, last_action, asked, exact)
    if asked != requirements(environment.agents, 0, None, fee=False, **ANYTHING):
        raise InputError(f"method: {method!r} takes no further demands; write method='any'")
    setting = prepare(environment, rule, last_period, last_action)
    if joint and method != "stacked":
        raise InputError("joint: is for method='stacked'")
    if method == "stacked":
        return stacked(environment, setting, steps, smallest, joint, exact)
    solve = separate if method == "convex" else span
    payments, tables, bounds = [], [], []
    condition, by_target = 1.0, False
    for t in range(len(environment.kernel)):
        row = []
        for i in range(environment.agents):
            system = _one_step(environment, setting, t, i)
            found = solve(system, smallest)
            paid = expected_payment(found.transfers, system.columns, by_report(setting.policy[t], i))
            later = setting.expected_value(environment, i, t)
            tables.append(gains(environment, i, t, setting.policy[t], later, environment.discount * paid))
            bounds.append(found.bound)
            condition, by_target = max(condition, found.condition), by_target or found.by_target
            row.append(shaped(environment, t, i, t + 1, found.transfers))
        payments.append(tuple(row))
    theorem = "Theorem 3.1" if method == "convex" else "Theorem 3.2"
    if setting.constant:
        theorem = "Corollary 3.3"
    if rule is not None:
        theorem = f"Lemma {'A.3' if method == 'convex' else 'A.4'} for any rule"
    theorem += BY_TARGET if by_target else ""
    done = finished(environment, method, theorem, setting, tuple(payments), (), tables, bounds, condition=condition)
    return done.with_exact(exact_closed(environment, setting, method, smallest)) if exact else done


def _one_step(environment: InterdependentTypes, setting: Setting, t: int, agent: int) -> System:
    wanted = by_own_signal(target(environment, agent, t, setting.values[agent], setting.targeted), agent)
    columns = distinct(matrices(environment, t, agent))
    columns = columns.reshape(len(columns), -1, *columns.shape[-2:])
    used = by_report(setting.policy[t], agent) == np.arange(len(wanted))[:, np.newaxis, np.newaxis]
    fix = "try method='any', or stack several future periods, method='stacked'"
    return System(environment, t, agent, columns, wanted, used, fix, exact_columns(environment, t, agent))
