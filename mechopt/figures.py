"""Pictures: each function takes a result and an Axes, draws, and returns the Axes. The names stand
in ``figures.pyi``; each is loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("mechopt", __file__)
