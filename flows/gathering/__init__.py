"""Collecting the facts that gates judge: everything here does I/O and decides nothing."""
