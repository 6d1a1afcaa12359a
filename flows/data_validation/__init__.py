"""Validating datasets with Great Expectations.

The library runs in a process of its own (`child`, `checking`, `frames`, `profiling`), limited and without any of our
secrets but the address of the database it is asked to read; it takes seconds to load, so one process serves many
validations. `validator` is the side of the platform: what to validate, and what was found.
"""
