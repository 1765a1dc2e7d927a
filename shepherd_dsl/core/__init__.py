"""The pure core: values, programs, runs and the machine of `core.md`. Imports nothing of the project, does no input or output."""
