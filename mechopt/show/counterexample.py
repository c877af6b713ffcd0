"""A violation in one sentence, in the types, actions, agents and periods of the model."""

from __future__ import annotations

from typing import Any

from mechopt.environment.words import ModelWords, model_words
from mechopt.mechanism.payments import (
    Deterministic,
    ExAnteBudgetBalance,
    NoMoney,
    NoSubsidy,
    PaymentCap,
    StrongBudgetBalance,
)
from mechopt.show.explain.wording import amount
from mechopt.show.page.wording import number
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.payments.counterexample import EVERYBODY, PaymentCounterexample

MOST_MISREPORTS = 20
"""Of a strategy that are listed."""


def sentence(found: Counterexample, environment: Any) -> str:
    """Sentence on a violated constraint.

    Parameters
    ----------
    found : Counterexample
    environment : IndependentTypes, MarkovTypes, SeparableTypes, InterdependentTypes or ModelWords
        Of the mechanism.

    Examples
    --------
    >>> import numpy as np
    >>> from mechopt.environment.independent import IndependentTypes
    >>> from mechopt.mechanism.constraints import DIC, EPIR
    >>> from mechopt.mechanism.direct import Mechanism
    >>> from mechopt.verification.verify import verify
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    >>> sale, price = np.array([[[0.0, 1.0]]]), np.array([[[0.0, 1.0], [0.0, 2.5]]])
    >>> dear = Mechanism(env, [sale, price > 0], [sale, price])
    >>> sentence(verify(dear, DIC())["dic"].counterexample, env)
    'after 2, in period 1: reporting 1 instead of 2 gains 1/2'
    """
    words = environment if isinstance(environment, ModelWords) else model_words(environment)
    if isinstance(found, PaymentCounterexample):
        return _of_payments(found, words)
    t, i, several = found.period, found.agent, words.environment.agents > 1
    agent = words.agent(i)
    start = _when(found, words)
    rest = [j for j in range(words.environment.agents) if j != i]
    others = ""
    if found.others:
        listed = (f"{words.agent(j)} is {words.type(t, j, k)}" for j, k in zip(rest, found.others, strict=True))
        others = f", while {' and '.join(listed)}"
    action = getattr(found, "action", None)
    under = "" if action is None else f" under {words.action(t, action)}"
    if found.constraint.role == "ic" and found.true_type is not None and found.report is not None:
        who = f"{agent} " if several else ""
        told = f"reporting {words.type(t, i, found.report)} instead of {words.type(t, i, found.true_type)}"
        strategy: Any = getattr(found, "strategy", ())
        if strategy and found.report == found.true_type:
            told = f"a strategy of {words.type(t, i, found.true_type)} that misreports later"
        elif len(strategy) > 1:
            told += f", and misreporting at {len(strategy) - 1} later points,"
        return f"{start}{others}: {who}{told} gains {amount(found.gain)}"
    whose = agent if several else "the agent"
    typed = "" if found.true_type is None else f" of type {words.type(t, i, found.true_type)}"
    return f"{start}{others}: {whose}{typed} has utility {amount(-found.gain)}{under}"


def _when(found: Counterexample, words: ModelWords) -> str:
    """After which reports, and in which period."""
    t, before = found.period, getattr(found, "before", None)
    if before is not None and t:
        return f"after {words.profile(t - 1, before)} in period {t - 1}, in period {t}"
    if found.history:
        return f"{words.after(found.history, getattr(found, 'actions', ()))}, in period {t}"
    return f"in period {t}" if t else "at the start"


def _of_payments(found: PaymentCounterexample, words: ModelWords) -> str:
    """A violation of a constraint on payments."""
    constraint, paid = found.constraint, amount(found.gain)
    if isinstance(constraint, ExAnteBudgetBalance):
        return f"expected payments are {paid} short of expected costs"
    t = found.period
    drawn = "" if found.action is None else f" under {words.action(t, found.action)}"
    where = f"{_when(found, words)}, reports {words.profile(t, found.reports)}{drawn}"
    if isinstance(constraint, Deterministic):
        whose = "what is done" if found.agent == EVERYBODY else f"what {words.agent(found.agent)} gets"
        return f"{where}: {whose} is drawn, {paid} off certainty"
    paid += found.unit + (" in present value" if t and words.environment.discount != 1 else "")
    if found.agent == EVERYBODY:
        off = "off" if isinstance(constraint, StrongBudgetBalance) else "short of"
        return f"{where}: payments are {paid} {off} the cost"
    agent = words.agent(found.agent) if words.environment.agents > 1 else "the agent"
    if isinstance(constraint, NoMoney):
        return f"{where}: {agent} pays or is paid {paid}"
    if isinstance(constraint, NoSubsidy):
        return f"{where}: {agent} is paid {paid}"
    limit = "cap" if isinstance(constraint, PaymentCap) else "budget"
    return f"{where}: payments of {agent} are {paid} above the {limit}"


def facts(found: Counterexample, words: ModelWords) -> list[tuple[str, str]]:
    """A counterexample as (label, text), in full.

    Parameters
    ----------
    found : Counterexample
    words : ModelWords
    """
    t, i = found.period, found.agent
    rows = [("who", "all together" if i == EVERYBODY else words.agent(i))]
    rows.append(("when", f"period {t}" + (", the first" if t == 0 else "")))
    actions: Any = getattr(found, "actions", ())
    for s, profile in enumerate(found.history):
        taken = f"; then {words.action(s, actions[s])}" if s < len(actions) and actions[s] is not None else ""
        rows.append((f"reports of period {s}", words.profile(s, profile) + taken))
    before = getattr(found, "before", None)
    if before is not None:
        rows.append(("types of the period before", words.profile(max(t - 1, 0), before)))
    if found.true_type is not None:
        rows.append(("true type", words.type(t, i, found.true_type)))
    if found.constraint.role == "ic" and found.report is not None:
        rows.append(("reports", words.type(t, i, found.report)))
    if found.others:
        agents = [j for j in range(len(found.others) + 1) if j != i]
        listed = (f"{words.agent(j)}: {words.type(t, j, k)}" for j, k in zip(agents, found.others, strict=True))
        rows.append(("others' types", "; ".join(listed)))
    action = getattr(found, "action", None)
    if action is not None:
        rows.append(("action", words.action(t, action)))
    for s, profile in enumerate(found.future or (), start=t + 1):
        rows.append((f"types of period {s}", words.profile(s, profile)))
    strategy: Any = getattr(found, "strategy", ())
    rows += [_misreport(step, found, words) for step in strategy[:MOST_MISREPORTS]]
    if len(strategy) > MOST_MISREPORTS:
        rows.append(("and so on", f"{len(strategy) - MOST_MISREPORTS:,} more misreports"))
    if isinstance(found, PaymentCounterexample):
        return [*rows, ("amount", number(found.gain))]
    what = ("gain", number(found.gain)) if found.constraint.role == "ic" else ("utility", number(-found.gain))
    return [*rows, what]


def _misreport(step: Any, found: Counterexample, words: ModelWords) -> tuple[str, str]:
    """One place where a strategy does not tell the truth."""
    t = len(step.seen)
    true, report = words.type(t, found.agent, step.own[-1]), words.type(t, found.agent, step.report)
    return (f"then in period {t}" if t else "in period 0", f"type {true} reports {report}{_seen(step, found, words)}")


def _seen(step: Any, found: Counterexample, words: ModelWords) -> str:
    """History that the agent has seen before a misreport: all reports, or her own alone."""
    told = []
    for s, (reports, action) in enumerate(step.seen):
        alone = len(reports) == 1
        name = words.type(s, found.agent, reports[0]) if alone else words.profile(s, reports)
        told.append(name if action is None else f"{name} ({words.action(s, action)})")
    return f" after {', '.join(told)}" if told else ""
