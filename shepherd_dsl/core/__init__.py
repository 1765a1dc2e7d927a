"""The pure core: values, programs, runs and the machine of `core.md`. Nothing else of the project, no input or output."""
