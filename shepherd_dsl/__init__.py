"""Shepherd DSL: a small effect language for agents with a verified core."""

__version__ = "0.1.0"
