"""A platform that is not there: a sentence and exit code 1, no traceback."""

from __future__ import annotations

import io
import json

from rich.console import Console

from api.cli.demo import run
from api.cli.demo.prefect_runs import PrefectRuns
from tests.api.cli.demo_server import Asked, Reply, data, error, serving

NOBODY = "http://127.0.0.1:9"  # the discard port


def told(address: str, *, as_json: bool) -> tuple[int, str]:
    out = io.StringIO()
    console = Console(file=out, width=80)
    runs = PrefectRuns(address, "")
    return run(address, address, "token", runs, console=console, as_json=as_json, patience=0.1), out.getvalue()


def test_nobody_answers() -> None:
    code, text = told(NOBODY, as_json=False)
    assert code == 1
    assert f"{NOBODY} gives no usable answer" in text
    assert "gatehouse status" in text
    assert "Traceback" not in text


def test_as_json_it_is_one_document() -> None:
    code, text = told(NOBODY, as_json=True)
    document = json.loads(text)
    assert code == 1
    assert document["ok"] is False
    assert "no usable answer" in document["error"]
    assert [step["ok"] for step in document["steps"]] == [False]
    assert document["versions"] == []
    assert document["addresses"]["docs"] == f"{NOBODY}/docs"


def test_a_token_that_is_refused_is_what_happened() -> None:
    def answering(asked: Asked) -> Reply:
        return error(401, "UNAUTHENTICATED", "This token is unknown.") if asked.method == "POST" else data([])

    with serving(answering) as (address, _):
        code, text = told(address, as_json=False)
    assert code == 1
    assert "401 UNAUTHENTICATED: This token is unknown." in text
