"""Finite-type dynamic mechanism design: optimal mechanisms by linear programming, verified and compared.

The public names are listed in ``__init__.pyi``; each is loaded from its module on first use, so that ``import mechopt``
stays quick. What is needed less often stands in namespaces: `families`, `figures`, `fit`, `errors`, `formats`,
`lemmas`, `mechanisms` and `results`.
"""

import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

import lazy_loader

__version__ = "0.1.0"
"""Written here alone; the build and CITATION.cff's test read it."""

NAMESPACES = ("families", "figures", "fit", "errors", "formats", "lemmas", "mechanisms", "results")
"""Where public names are that `mechopt` itself does not list."""

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """A public name; one that moved to a namespace is found there, with a warning that says where."""
    try:
        return _public(name)
    except AttributeError:
        for space in (space for space in NAMESPACES if space in __all__ and name not in __all__ and name[0] != "_"):
            module = import_module(f"{__name__}.{space}")
            if name in module.__all__:
                warnings.warn(f"mechopt.{name} is mechopt.{space}.{name} now", DeprecationWarning, stacklevel=2)
                return getattr(module, name)
        raise


class _Package(ModuleType):
    """A package in which a public name means what ``__init__.pyi`` says, whatever is imported and when.

    Importing a submodule makes Python set an attribute of its package. Where a public function bears the name of a
    subpackage, that would put the subpackage in its place. So public names are left to ``__getattr__``, which follows
    the list; modules below such a name are reached by ``from mechopt.name.module import ...``.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in __all__ and value is sys.modules.get(f"{__name__}.{name}"):
            return
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """By name, so that a function that mentions the package can be sent to another process."""
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Package

from mechopt import registrations as registrations  # noqa: E402  once submodules can no longer hide public names
