"""The command line: starts and stops the platform, looks at it, and runs what operators need.

Only Typer and Rich are imported before a command is known, so that help and mistakes are answered at once.
"""

from __future__ import annotations


def main() -> None:
    """The console script `gatehouse`."""
    from api.cli.application import application

    application()
