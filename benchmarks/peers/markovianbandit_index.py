"""Gittins indices by markovianbandit-pkg (Gast, Gaujal and Khun 2023: subcubic, by fast matrix products)."""

from __future__ import annotations

from typing import Any

import markovianbandit

from benchmarks.markov_instances import Project


def build(given: Project) -> tuple[Any, float]:
    """The package's model of a rested project."""
    return markovianbandit.rested_bandit_from_P1_R1(given.kernel, given.rewards), given.discount


def solve(model: tuple[Any, float], contender: str) -> list[float]:
    """Index of the first state, and the mean of all."""
    project, discount = model
    indices = project.gittins_indices(discount=discount)
    return [float(indices[0]), float(indices.mean())]
