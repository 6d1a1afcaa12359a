"""The evidence bundle, without a registry."""
