"""Failures that a person can mend become a sentence on standard error and an exit code, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

INTERRUPTED = 130


@contextmanager
def explained(code: int = 1) -> Iterator[None]:
    """Leave with `code` after an expected failure. Anything else is a defect and keeps its traceback."""
    try:
        yield
    except KeyboardInterrupt:
        complain("Interrupted. What was started keeps running; `gatehouse down` stops it.")
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if not isinstance(error, _expected()):
            raise
        complain(str(error) or type(error).__name__)
        raise typer.Exit(code) from error


def complain(sentence: str) -> None:
    Console(stderr=True).print(f"Error: {sentence}", markup=False, highlight=False, soft_wrap=True)


def _expected() -> tuple[type[Exception], ...]:
    """Imported when something has failed already: these modules take longer than all the rest of the command."""
    import psycopg

    from governance.artifact_store import ArtifactStoreError
    from governance.errors import GovernanceError
    from storage.audit_log import KeyFileError
    from storage.platform_processes.errors import PlatformError
    from storage.postgres_server import PostgresUnavailable
    from storage.settings import SettingsError

    return (
        ArtifactStoreError,
        GovernanceError,
        KeyFileError,
        PlatformError,
        PostgresUnavailable,
        SettingsError,
        psycopg.Error,
        OSError,
    )
