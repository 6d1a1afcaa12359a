"""The write side: one class per area, implementing the ports on one SQLAlchemy connection."""
