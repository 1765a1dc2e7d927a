"""Handlers bind operations to the world; found by the entry points `shepherd_dsl.handlers`."""
