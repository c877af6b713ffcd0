"""A violation in one sentence, in the types, actions, agents and periods of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mechopt.environment.independent import IndependentTypes
from mechopt.environment.separable import SeparableTypes
from mechopt.show.explain.wording import amount
from mechopt.verification.independent.replay import Counterexample
from mechopt.verification.payments.counterexample import PaymentCounterexample

if TYPE_CHECKING:
    from mechopt.lp.build import AnyTypes


def sentence(found: Counterexample, environment: AnyTypes) -> str:
    """What happens where a constraint is violated.

    Parameters
    ----------
    found : Counterexample
    environment : IndependentTypes, MarkovTypes, SeparableTypes or InterdependentTypes
        Of the mechanism.

    Examples
    --------
    >>> import numpy as np
    >>> from mechopt.mechanism.constraints import DIC, EPIR
    >>> from mechopt.mechanism.direct import Mechanism
    >>> from mechopt.verification.verify import verify
    >>> env = IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
    >>> sale, price = np.array([[[0.0, 1.0]]]), np.array([[[0.0, 1.0], [0.0, 2.5]]])
    >>> dear = Mechanism(env, [sale, price > 0], [sale, price])
    >>> sentence(verify(dear, DIC())["dic"].counterexample, env)
    'after 2, in period 1: reporting 1 instead of 2 gains 1/2'
    """
    if isinstance(found, PaymentCounterexample):
        return str(found)
    words = _Names(environment)
    t, i, several = found.period, found.agent, environment.agents > 1
    agent = words.agent(i)
    actions: Any = getattr(found, "actions", ())
    past = []
    for s, profile in enumerate(found.history):
        taken = f" ({words.action(s, actions[s])})" if s < len(actions) and actions[s] is not None else ""
        past.append(words.profile(s, profile) + taken)
    before = getattr(found, "before", None)
    start = f"after {', '.join(past)}, in period {t}" if past else f"in period {t}" if t else "at the start"
    if before is not None and t:
        start = f"after {words.profile(t - 1, before)} in period {t - 1}, in period {t}"
    rest = [j for j in range(environment.agents) if j != i]
    others = ""
    if found.others:
        listed = (f"{words.agent(j)} is {words.type(t, j, k)}" for j, k in zip(rest, found.others, strict=True))
        others = f", while {' and '.join(listed)}"
    action = getattr(found, "action", None)
    under = "" if action is None else f" under {words.action(t, action)}"
    if found.constraint.role == "ic":
        assert found.true_type is not None and found.report is not None
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


class _Names:
    """Names of agents, types and actions of a model."""

    def __init__(self, environment: AnyTypes) -> None:
        if isinstance(environment, SeparableTypes) and environment.horizon != "infinite":
            environment = environment.to_markov()
        self.environment = environment

    def agent(self, i: int) -> str:
        name = str(self.environment.names[i])
        kind = "buyer" if isinstance(self.environment, IndependentTypes) else "agent"
        return f"{kind} {name}" if name.isdigit() else name

    def type(self, t: int, i: int, k: int) -> str:
        env = self.environment
        if isinstance(env, SeparableTypes):
            return f"type {k}"
        row = env.types[i][min(t, len(env.types[i]) - 1)]
        return str(row[k]) if k < len(row) else f"type {k}"

    def profile(self, t: int, types: tuple[int, ...]) -> str:
        return "/".join(self.type(t, i, k) for i, k in enumerate(types))

    def action(self, t: int, a: int) -> str:
        if isinstance(self.environment, (IndependentTypes, SeparableTypes)):
            return f"action {a}"
        names = self.environment.action_names(t)
        name = str(names[a])
        return f"action {name}" if name.isdigit() else name
