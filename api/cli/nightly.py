"""`gatehouse nightly`: starts tonight's validation over HTTP, and shows a night while it runs.

Stopping to watch stops nothing else: the night is the platform's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from api.cli.calling import ApiCalls, ApiRefusal
from storage.platform_processes.errors import PlatformError

_ROOT = "/api/models/enterprise/validation"
_PAUSE = 1.0  # seconds between two looks
_PATIENCE = 60.0  # seconds for which an API that does not answer is asked again
_REGRESSIONS_SHOWN = 200

COMPLETED, WORSE, INCOMPLETE = 0, 1, 2
"""Exit codes: all well; regressions, failures or errors; the night was partial or missed."""


def nightly(home: Path | None, api_url: str | None, *, night: str | None, watch: bool, as_json: bool) -> int:
    """The exit code. night: one that is there already; otherwise tonight's is started. Raises PlatformError."""
    api = ApiCalls(home, api_url)
    if night is None:
        found = api.signed_in("POST", "/nightly", root=_ROOT, params={"wait_seconds": 0})
    else:
        found = _night(api, night)
    if watch:
        found = follow(api, found, Console(stderr=as_json))
    if as_json:
        print(json.dumps(found, indent=2))
    elif not watch or found["status"] == "running":
        _say(Console(), _state(found))
    return exit_code(found)


def exit_code(found: Mapping[str, Any]) -> int:
    """Of a night that runs: 0, since nothing is known against it yet."""
    if found["status"] == "running":
        return COMPLETED
    if found["status"] != "completed":
        return INCOMPLETE
    results = found["results_summary"]
    return WORSE if results["failed"] or results["errors"] or results["regressions_detected"] else COMPLETED


def follow(
    api: ApiCalls,
    found: dict[str, Any],
    console: Console,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Show a night until it ends or whoever watches interrupts; as it was seen last."""
    shown: Shown = Bars(console) if console.is_terminal else Lines(console)
    told: set[str] = set()
    begun, at_first, answered = clock(), found["models_processed"], clock()
    with shown:
        try:
            while True:
                _tell_regressions(api, found, told, shown)
                now = clock()
                done, left = found["models_processed"] - at_first, found["models"] - found["models_processed"]
                rate = done / (now - begun) if now > begun else 0.0
                shown.show(found, rate, left / rate if rate > 0 else None)
                if found["status"] != "running":
                    break
                pause(_PAUSE)
                try:
                    found = _night(api, found["id"])
                    answered = clock()
                except ApiRefusal as refused:
                    if refused.status < 500 and refused.status != 429:
                        raise
                    _be_patient(refused, clock() - answered)
                except PlatformError as silent:
                    _be_patient(silent, clock() - answered)
        except KeyboardInterrupt:
            shown.say("No longer watching; the night goes on. Watch again: gatehouse nightly --watch")
            return found
        shown.say(_ending(found))
    return found


def _be_patient(error: PlatformError, seconds: float) -> None:
    if seconds > _PATIENCE:
        raise error


class Shown(Protocol):
    """A night on a terminal, or as lines."""

    def __enter__(self) -> Shown: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, night: Mapping[str, Any], rate: float, seconds_left: float | None) -> None: ...
    def say(self, line: str) -> None: ...


class Bars:
    """A bar of models with counts, rate and the time that is left; regressions stay above it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(spinner_name="line", finished_text="[green]ok[/green]"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}"),
            TextColumn("[dim]{task.fields[pace]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task("", total=None, counts="", pace="")

    def __enter__(self) -> Bars:
        self._progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.__exit__(None, None, None)

    def show(self, night: Mapping[str, Any], rate: float, seconds_left: float | None) -> None:
        over = night["status"] != "running"
        total = night["models_processed"] if over else night["models"]
        self._progress.update(
            self._task,
            description=f"Night of {night['night']}",
            total=total or 1,
            completed=night["models_processed"] if total else int(over),
            counts=_counts(night),
            pace="" if over else _pace(rate, seconds_left),
        )

    def say(self, line: str) -> None:
        _say(self._progress.console, line)


class Lines:
    """A line whenever a count has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: object = None

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, night: Mapping[str, Any], rate: float, seconds_left: float | None) -> None:
        seen = (night["models_processed"], night["models"], dict(night["results_summary"]))
        if seen != self._last:
            self._last = seen
            pace = "" if night["status"] != "running" else _pace(rate, seconds_left)
            self.say(_state(night) + (f"; {pace}" if pace else ""))

    def say(self, line: str) -> None:
        _say(self._console, line)


def _tell_regressions(api: ApiCalls, found: Mapping[str, Any], told: set[str], shown: Shown) -> None:
    """Those that are new since the last look; beyond the first ones, the counts tell."""
    if found["results_summary"]["regressions_detected"] <= len(told):
        return
    asked = {"regression_detected": True, "pageSize": _REGRESSIONS_SHOWN}
    runs = api.signed_in("GET", f"/nights/{found['id']}/runs", root=_ROOT, params=asked)
    for run in reversed(runs):
        if run["id"] not in told:
            told.add(run["id"])
            shown.say(f"Worse: {run['name']} {run['version']} ({run['regression_severity']}): {run['run_id']}")


def _night(api: ApiCalls, named: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = api.signed_in("GET", f"/nights/{quote(named, safe='')}", root=_ROOT)
    except ApiRefusal as refused:
        if refused.status == 404:
            raise PlatformError(
                f"There is no night {named!r}; nights are named by a date such as 2026-03-02."
            ) from None
        raise
    return found


def _state(night: Mapping[str, Any]) -> str:
    whose = "" if night["scope"] == "platform" else " that you may see"
    return (
        f"Night of {night['night']} {night['status']}: {night['models_processed']} of {night['models']} models"
        f"{whose}, {_counts(night)}"
    )


def _ending(night: Mapping[str, Any]) -> str:
    words = {"completed": "is complete", "partial": "ended before all models were reached", "missed": "was missed"}
    return f"The night of {night['night']} {words.get(night['status'], night['status'])}: {_counts(night)}"


def _counts(night: Mapping[str, Any]) -> str:
    results = night["results_summary"]
    errors, worse = results["errors"], results["regressions_detected"]
    return (
        f"{results['passed']} passed, {results['failed']} failed, {errors} error{'s' * (errors != 1)}, "
        f"{results['insufficient_evidence']} undecided, {worse} regression{'s' * (worse != 1)}"
    )


def _pace(rate: float, seconds_left: float | None) -> str:
    if seconds_left is None:
        return ""
    minutes, seconds = divmod(round(seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{rate * 60:.0f} a minute, {left} left"


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
