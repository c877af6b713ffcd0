"""Any set of kernels, and what a user may give for one."""

from __future__ import annotations

from typing import Any

from mechopt.environment.kernels.ball import KernelBall
from mechopt.environment.kernels.box import KernelBox
from mechopt.environment.kernels.hull import KernelHull
from mechopt.environment.kernels.rows import KernelRows

KernelSet = KernelBall | KernelBox | KernelHull | KernelRows


def kernel_set(given: Any) -> KernelSet:
    """A set of kernels; a number is the radius of a ball."""
    if isinstance(given, (KernelBall, KernelBox, KernelHull, KernelRows)):
        return given
    return KernelBall(given)
