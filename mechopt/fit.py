"""Environments from data. The names stand in ``fit.pyi``; each is loaded on first use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("mechopt", __file__)
