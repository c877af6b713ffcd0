"""Finite-type dynamic mechanism design: optimal mechanisms by linear programming, verified and compared.

The public names are listed in ``__init__.pyi``; each is loaded from its module on first use, so that ``import mechopt``
stays quick.
"""

import sys
from types import ModuleType

import lazy_loader

from mechopt import registrations as registrations

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"


class _Package(ModuleType):
    """A package in which a public name means what ``__init__.pyi`` says, whatever is imported and when.

    Importing ``mechopt.verify.check`` makes Python set the attribute ``verify`` of this package to the subpackage, over
    the function of that name. Public names are left to ``__getattr__`` instead, which follows the list.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in __all__ and value is sys.modules.get(f"{__name__}.{name}"):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
