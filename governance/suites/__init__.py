"""What a suite is made of, how its parts are checked when it is made, and how its figures are judged. No I/O.

Nothing is imported here: the confined process that runs a model judges its cases by `governance.suites.cases` and
pays for every import.
"""
