"""Measurements of inferences in PostgreSQL.

recorder.py     committing reports, those of one moment together
compaction.py   many rows of a span into one, old spans into longer ones
reading.py      merged over a window
"""
