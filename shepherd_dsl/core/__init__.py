"""The pure core: values, programs, runs and the machine of `core.md`. Imports nothing else, does no input or output."""
