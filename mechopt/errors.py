"""Errors of the library, and the fault that an error of input lists. The names stand in
``errors.pyi``; each is loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("mechopt", __file__)
