"""Use cases: one function a verb, one transaction each, `commit()` visible in it.

The order of locks is the same everywhere, so that no two operations can wait for each other: request, then model,
then versions by id.
"""
