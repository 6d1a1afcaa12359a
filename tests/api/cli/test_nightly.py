"""`gatehouse nightly` against a served API, whose night another thread settles step by step."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from api.cli import credentials, nightly
from api.cli.application import application
from api.cli.calling import ApiCalls
from governance.access.principal import Principal
from storage.platform_processes.errors import PlatformError
from storage.postgres_server import PostgresServer
from tests.api.served import ServedApi, served
from tests.fixtures import validation
from tests.fixtures.postgres import fresh_database
from tests.governance.operations.situations import model_with_version, query

_days = iter(range(1, 28))


@pytest.fixture(scope="module")
def own(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("nightly") / "home") as api,
    ):
        yield api


class Night:
    """A night over four versions that nobody has looked at yet."""

    def __init__(self, api: ServedApi) -> None:
        self.registry = r = api.registry
        self.day = date(2026, 2, next(_days))
        self.id = validation.night(r, self.day, status="running", models=4)
        self.runs = []
        for _ in range(4):
            model = model_with_version(r)
            version = str(query(r, "select id from model_versions where model_id = %s", model)[0][0])
            self.runs.append(validation.queued(r, version, night_id=self.id))

    def steps(self, end: str = "completed") -> list[Callable[[], None]]:
        """One version after another, the third with a regression; then the end."""
        r = self.registry
        return [
            lambda: validation.settle(r, self.runs[0]),
            lambda: validation.settle(r, self.runs[1], "insufficient_evidence"),
            lambda: validation.settle(r, self.runs[2], "failed", severity="high"),
            lambda: validation.settle(r, self.runs[3]),
            lambda: validation.end_night(r, self.id, end),
        ]


@pytest.fixture
def night(own: ServedApi) -> Night:
    return Night(own)


class Settling:
    """Another thread that takes one step whenever the watcher pauses; time passes by pauses only."""

    def __init__(self, steps: list[Callable[[], None]]) -> None:
        self._steps, self._asked, self._done = steps, threading.Semaphore(0), threading.Semaphore(0)
        self.now = 0.0
        self._thread = threading.Thread(target=self._settle, name="worker")

    def __enter__(self) -> Settling:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for _one in self._steps:
            self._asked.release()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _settle(self) -> None:
        for step in self._steps:
            self._asked.acquire()
            step()
            self._done.release()

    def pause(self, seconds: float) -> None:
        self.now += 30.0
        self._asked.release()
        assert self._done.acquire(timeout=30)

    def clock(self) -> float:
        return self.now


def home_of(api: ServedApi, person: Principal, home: Path) -> Path:
    token, token_id = api.registry.token(person)
    credentials.keep(home, api.url, credentials.Credential(token, token_id, "later"))
    return home


def run(api: ServedApi, home: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(application, ["nightly", "--home", str(home), "--api-url", api.url, *options])
    return done.exit_code, done.output


def watched(api: ServedApi, home: Path, night: Night, console: Console, *, end: str = "completed") -> dict[str, Any]:
    calls = ApiCalls(home_of(api, api.registry.admin, home), api.url)
    first = calls.signed_in("GET", f"/nights/{night.id}", root="/api/models/enterprise/validation")
    with Settling(night.steps(end)) as settling:
        return nightly.follow(calls, first, console, clock=settling.clock, pause=settling.pause)


def test_in_a_pipe_every_change_is_a_line(own: ServedApi, night: Night, tmp_path: Path) -> None:
    said = io.StringIO()
    last = watched(own, tmp_path, night, Console(file=said, width=200))
    lines = said.getvalue().splitlines()
    begun = f"Night of {night.day} running:"
    assert lines[0] == f"{begun} 0 of 4 models, 0 passed, 0 failed, 0 errors, 0 undecided, 0 regressions"
    assert lines[1] == (
        f"{begun} 1 of 4 models, 1 passed, 0 failed, 0 errors, 0 undecided, 0 regressions; 2 a minute, 1:30 left"
    )
    worse = next(line for line in lines if line.startswith("Worse: "))
    assert "1.0.0 (high): validation_" in worse
    assert lines.index(worse) == 3, "told as soon as it is known"
    assert lines[-1] == (
        f"The night of {night.day} is complete: 2 passed, 1 failed, 0 errors, 1 undecided, 1 regression"
    )
    assert "\x1b" not in said.getvalue()
    assert nightly.exit_code(last) == nightly.WORSE


def test_on_a_terminal_there_is_a_bar(own: ServedApi, night: Night, tmp_path: Path) -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=160, legacy_windows=False)
    last = watched(own, tmp_path, night, console)
    shown = said.getvalue()
    assert f"Night of {night.day}" in shown
    assert "4/4" in shown
    assert "━" in shown
    assert shown.count("Worse: ") == 1
    assert "is complete" in shown
    assert last["status"] == "completed"


@pytest.mark.parametrize(
    ("end", "code", "says"), [("partial", 2, "ended before all models were reached"), ("completed", 1, "is complete")]
)
def test_the_exit_code_says_how_the_night_was(
    own: ServedApi, night: Night, tmp_path: Path, end: str, code: int, says: str
) -> None:
    for step in night.steps(end):
        step()
    home = home_of(own, own.registry.admin, tmp_path)
    exit_code, said = run(own, home, "--night", night.day.isoformat(), "--watch")
    assert exit_code == code, said
    assert says in said


def test_a_good_night_is_exit_code_0(own: ServedApi, tmp_path: Path) -> None:
    night = Night(own)
    for one in night.runs:
        validation.settle(own.registry, one)
    validation.end_night(own.registry, night.id)
    home = home_of(own, own.registry.admin, tmp_path)
    code, said = run(own, home, "--night", night.day.isoformat(), "--json")
    assert code == 0
    assert json.loads(said)["results_summary"]["passed"] == 4


def test_watching_by_the_command_until_another_thread_has_settled_everything(
    own: ServedApi, night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_of(own, own.registry.admin, tmp_path)
    with Settling(night.steps()) as settling:
        monkeypatch.setattr(nightly.follow, "__kwdefaults__", {"clock": settling.clock, "pause": settling.pause})
        code, said = run(own, home, "--night", night.day.isoformat(), "--watch")
    assert code == 1, said
    assert said.count("Worse: ") == 1
    assert "is complete" in said


def test_interrupting_stops_watching_only(own: ServedApi, night: Night, tmp_path: Path) -> None:
    said = io.StringIO()
    calls = ApiCalls(home_of(own, own.registry.admin, tmp_path), own.url)
    first = calls.signed_in("GET", f"/nights/{night.id}", root="/api/models/enterprise/validation")

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    last = nightly.follow(calls, first, Console(file=said, width=200), pause=interrupted)
    assert "the night goes on" in said.getvalue()
    assert (last["status"], nightly.exit_code(last)) == ("running", nightly.COMPLETED)
    assert query(own.registry, "select status from validation_nights where id = %s", night.id) == [("running",)]


def test_an_api_that_is_gone_for_a_while_is_asked_again(
    own: ServedApi, night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = ApiCalls(home_of(own, own.registry.admin, tmp_path), own.url)
    first = calls.signed_in("GET", f"/nights/{night.id}", root="/api/models/enterprise/validation")
    for step in night.steps():
        step()
    asked, now, signed_in = [0], [0.0], calls.signed_in

    def down(method: str, path: str, **parts: Any) -> Any:
        asked[0] += 1
        if asked[0] <= silent:
            raise PlatformError("It does not answer.")
        return signed_in(method, path, **parts)

    def pause(_: float) -> None:
        now[0] += 15

    def follow() -> dict[str, Any]:
        asked[0], now[0] = 0, 0.0
        return nightly.follow(calls, first, Console(file=io.StringIO()), clock=lambda: now[0], pause=pause)

    monkeypatch.setattr(calls, "signed_in", down)
    silent = 3
    assert follow()["status"] == "completed"
    silent = 10**6
    with pytest.raises(PlatformError):
        follow()
    assert 60 < now[0] <= 90, "and then somebody is told"


def test_starting_tonight_twice_is_one_night(own: ServedApi, tmp_path: Path) -> None:
    home = home_of(own, own.registry.admin, tmp_path)
    first, again = (run(own, home, "--json") for _ in range(2))
    assert first[0] == again[0] == 0
    assert json.loads(first[1])["id"] == json.loads(again[1])["id"]
    code, said = run(own, home)
    assert (code, "running: 0 of" in said) == (0, True)


def test_what_is_refused_is_a_sentence(own: ServedApi, tmp_path: Path) -> None:
    home = home_of(own, own.registry.grace, tmp_path / "grace")
    code, said = run(own, home)
    assert (code, "Traceback" in said) == (3, False)
    assert "not allowed for grace" in said
    code, said = run(own, home, "--night", "yesterday")
    assert code == 3
    assert "There is no night 'yesterday'" in said
    code, said = run(own, tmp_path / "nobody")
    assert (code, "gatehouse login" in said) == (3, True)
