"""Bundles of a real registry."""
