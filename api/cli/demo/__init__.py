"""`gatehouse demo`: real models through their whole life, over HTTP with tokens, as a CI system would.

Two models on data that ships inside scikit-learn. Every step says what was expected and what happened. A
second run goes on where the first one ended: the models stay, the next version numbers are taken, and what is in
production by then is what successors are compared with.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from api.cli.demo.client import PATIENCE, PlatformGone, Stopped, Wire
from api.cli.demo.faces import face_for, live
from api.cli.demo.overview import Addresses, addresses, print_addresses, print_versions
from api.cli.demo.plot import Demo
from api.cli.demo.prefect_runs import PrefectRuns
from api.cli.demo.story import Broken, Story

__all__ = ["run"]


def run(
    api_url: str,
    dashboard_url: str,
    admin_token: str,
    runs: PrefectRuns,
    *,
    console: Console,
    as_json: bool,
    state_file: Path | None = None,
    patience: float = PATIENCE,
) -> int:
    """0 when every expected outcome happened, 1 otherwise, with what did not happen.

    `state_file` keeps the names and passwords of the demo's people for the next run; without it, and when it
    was lost, a run creates people of its own. `as_json` prints one JSON document and nothing else. `patience`:
    seconds without a usable answer after which the platform counts as gone. `runs` is closed in the end.
    """
    begun = time.monotonic()
    story = Story(face_for(console, as_json=as_json))
    wire = Wire(api_url, patience=patience)
    demo = Demo(wire, runs, story, admin_token, state_file)
    trouble: str | None = None
    try:
        with live(console, story, as_json=as_json):
            try:
                demo.perform()
            finally:
                story.finish()
    except PlatformGone as gone:
        trouble = f"{gone} `gatehouse status` tells what runs."
    except Stopped:
        trouble = "The demo was ended early."
    except Broken as broken:
        trouble = f"The demo could not go on after: {broken}"
    finally:
        wire.stopping.set()
        wire.close()
        runs.close()
    seconds = time.monotonic() - begun
    found = addresses(api_url, dashboard_url, story.steps)
    ok = trouble is None and not story.failed
    if as_json:
        _print_json(console, demo, found, ok=ok, seconds=seconds, trouble=trouble)
    else:
        _print_end(console, demo, found, ok=ok, seconds=seconds, trouble=trouble)
    return 0 if ok else 1


def _print_json(
    console: Console, demo: Demo, found: Addresses, *, ok: bool, seconds: float, trouble: str | None
) -> None:
    document: dict[str, Any] = {
        "ok": ok,
        "seconds": round(seconds, 3),
        "error": trouble,
        "steps": [step.to_json() for step in demo.story.steps],
        "versions": [row.to_json() for row in demo.versions],
        "addresses": found.to_json(),
    }
    console.file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    console.file.flush()


def _print_end(
    console: Console, demo: Demo, found: Addresses, *, ok: bool, seconds: float, trouble: str | None
) -> None:
    def say(text: str, style: str | None = None) -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    if demo.versions:
        say("")
        print_versions(console, demo.versions)
    say("")
    print_addresses(console, found, demo.state_file)
    say("")
    if trouble is not None:
        say(trouble, "bold red")
    for step in demo.story.failed:
        say(f"✗ {step.title}: expected {step.expected}; happened: {step.happened}", "red")
    steps, failed = len(demo.story.steps), len(demo.story.failed)
    if ok:
        say(f"All {steps} steps went as expected, in {seconds:.0f} s.", "bold green")
    else:
        say(f"{steps - failed} of {steps} steps went as expected, in {seconds:.0f} s.", "bold red")
