"""Options that several commands share, and the settings that follow from them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from storage.settings import Settings

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        file_okay=False,
        help="State directory.  [default: $GATEHOUSE_HOME or ~/.gatehouse]",
        show_default=False,
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        metavar="N",
        min=1,
        max=65535,
        help="Port of the API.  [default: that of last time, at first 8000]",
        show_default=False,
    ),
]
WorkerOption = Annotated[
    Literal["warm", "stock"] | None,
    typer.Option(
        "--worker",
        help="Who runs the flows: our warm worker or Prefect's process worker.  "
        "[default: that of last time, at first warm]",
        show_default=False,
    ),
]
ApiUrlOption = Annotated[
    str | None,
    typer.Option(
        "--api-url",
        metavar="URL",
        help="Address of the API.  [default: that of the platform in the state directory]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output, nothing else.")]


def settings_of(home: Path | None) -> Settings:
    """Raises SettingsError."""
    from storage.settings import Settings

    return Settings.load(os.environ, home)
