"""Scopes: a run's own copy of the workspace."""
