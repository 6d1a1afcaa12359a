"""Validating versions: one alone, or all that are active in a night cut into batches."""
