"""Agents, types, actions and histories by the names that the model gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mechopt.core.errors import LimitError
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.separable import SeparableTypes


@dataclass(frozen=True)
class ModelWords:
    """Names by index, as in counterexamples and in rows of programs.

    Parameters
    ----------
    environment : IndependentTypes, MarkovTypes, InterdependentTypes or SeparableTypes
        Of separable types only actions and types of an infinite horizon have no names; see `model_words`.

    Examples
    --------
    >>> words = ModelWords(IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=3, agents=2))
    >>> words.agent(1), words.type(0, 0, 0), words.after([(0, 1), (1, 1)])
    ('buyer 1', '1', 'after 1/2, 2/2')
    """

    environment: Any

    def agent(self, i: int) -> str:
        """Her name, or what is numbered and its number."""
        name = str(self.environment.names[i])
        kind = "buyer" if isinstance(self.environment, IndependentTypes) else "agent"
        return f"{kind} {name}" if name.isdigit() else name

    def type(self, t: int, i: int, k: int) -> str:
        """A type of agent i in period t."""
        if isinstance(self.environment, SeparableTypes):
            return f"type {k}"
        row = self.environment.types[i][min(t, len(self.environment.types[i]) - 1)]
        return str(row[k]) if k < len(row) else f"type {k}"

    def profile(self, t: int, types: Iterable[Any]) -> str:
        """All agents' types of a period, in their order, between strokes."""
        names = [self.type(t, i, int(k)) for i, k in enumerate(types)]
        return (" / " if any("/" in name for name in names) else "/").join(names)

    def action(self, t: int, a: int) -> str:
        """An action of period t."""
        if isinstance(self.environment, (IndependentTypes, SeparableTypes)):
            return f"action {a}"
        name = str(self.environment.action_names(t)[a])
        return f"action {name}" if name.isdigit() else name

    def after(self, history: Sequence[Sequence[int]], actions: Sequence[int | None] = ()) -> str:
        """Reports, and actions where they are recorded, of each period before."""
        past = []
        for s, types in enumerate(history):
            action = actions[s] if s < len(actions) else None
            taken = "" if action is None else f" ({self.action(s, action)})"
            past.append(self.profile(s, types) + taken)
        return f"after {', '.join(past)}" if past else "at the start"


def model_words(environment: Any) -> ModelWords:
    """Names for the indices of counterexamples.

    For separable types these are of the unfolded environment: with exclusion, which adds a last type and actions in
    period 0 to those without it. With an infinite horizon there is none, and no names.

    Parameters
    ----------
    environment : IndependentTypes, MarkovTypes, InterdependentTypes or SeparableTypes
    """
    if not isinstance(environment, SeparableTypes) or environment.horizon == "infinite":
        return ModelWords(environment)
    try:
        return ModelWords(environment.to_markov(exclusion=True))
    except LimitError:
        return ModelWords(environment.to_markov(exclusion=False))
