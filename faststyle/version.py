"""The version of faststyle, in a module of its own that imports nothing."""

__version__ = "0.6.0"
