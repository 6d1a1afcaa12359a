"""Running a model on labelled examples, in a process that may fail without harm.

`suite.run_suite` is the entry for flows; `comparison.compare_outcomes` pairs two runs. Nothing is imported
here: the confined process starts with this package and pays for every import.
"""
