"""Validation of versions that serve or are about to: runs, nights, baselines, and what becomes of them."""
