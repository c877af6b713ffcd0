"""The kinds of model files. What describes a kind is imported when a file of it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mechopt.environment.independent import IndependentTypes
    from mechopt.environment.interdependent import InterdependentTypes
    from mechopt.environment.markov import MarkovTypes
    from mechopt.environment.scenarios import Scenarios
    from mechopt.environment.separable import SeparableTypes
    from mechopt.modelfile.independent import IndependentFile
    from mechopt.modelfile.interdependent import InterdependentFile
    from mechopt.modelfile.markov import MarkovFile
    from mechopt.modelfile.scenarios import ScenariosFile
    from mechopt.modelfile.separable import SeparableFile

    AnyFile = IndependentFile | ScenariosFile | MarkovFile | SeparableFile | InterdependentFile
    AnyEnvironment = IndependentTypes | Scenarios | MarkovTypes | SeparableTypes | InterdependentTypes

NAMES = {
    "independent": "IndependentFile",
    "scenarios": "ScenariosFile",
    "markov": "MarkovFile",
    "separable": "SeparableFile",
    "interdependent": "InterdependentFile",
}
"""Class of each kind, in the module of the kind's name in this folder."""


class _Kinds(Mapping[str, "type[AnyFile]"]):
    """The class that reads each kind of file."""

    def __getitem__(self, kind: str) -> type[AnyFile]:
        found: Any = getattr(import_module(f"mechopt.modelfile.{kind}"), NAMES[kind])
        return found  # type: ignore[no-any-return]

    def __contains__(self, kind: object) -> bool:
        return kind in NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


KINDS: Mapping[str, type[AnyFile]] = _Kinds()
