"""The page of a request tells its story to people who may see it, and says everything as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from governance.operations.transitions import withdraw
from governance.requests import TransitionRequest
from storage.composition import new_id
from tests.api.browsing import Browsing
from tests.api.served import ServedApi
from tests.fixtures.registry import DEVELOPER
from tests.fixtures.run_page_story import REASON, waiting_story
from tests.governance.operations.situations import query

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"


class Reader(HTMLParser):
    """Text, and every element with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.text = " ".join(reader.text.split())
    return reader


@pytest.fixture
def dana(api: ServedApi) -> Iterator[Browsing]:
    with Browsing(api, api.session("dana")) as browsing:
        yield browsing


@pytest.fixture(scope="module")
def waiting(api: ServedApi) -> TransitionRequest:
    return waiting_story(api.registry)


def test_the_page_tells_the_story(api: ServedApi, dana: Browsing, waiting: TransitionRequest) -> None:
    answer = dana.get(f"/runs/{waiting.id}")
    assert answer.status_code == 200
    page = read(answer.text)
    assert waiting.evidence is not None
    assert waiting.evidence_digest is not None
    (artifact,) = waiting.evidence["subject"]["artifacts"]
    for told in (
        "Waiting for people",
        "asked for by dana",
        REASON,
        "Is the record complete?",
        "Can loading the weights run code?",
        "Is it at least as good as what is in production?",
        "Have enough people approved exactly this?",
        "Against version 1.0.0 in production",
        "-0.40 … +0.85",
        "not worse",
        "500 examples, 31 differ",
        "min 0.9",
        artifact["sha256"],
        "intact",
        "What changes in production",
        "grace Approved Reads well.",
        "grace approved",
        waiting.evidence_digest,
    ):
        assert told in page.text, told
    assert sum(tag == "svg" for tag, _ in page.elements) == 2
    assert all(attributes.get("aria-label") for tag, attributes in page.elements if tag == "svg")


def test_the_page_asks_nobody_else_and_runs_nothing_of_its_own(dana: Browsing, waiting: TransitionRequest) -> None:
    for path in (f"/runs/{waiting.id}", "/", "/sign-in", "/runs/nothing"):
        answer = dana.get(path)
        page = read(answer.text)
        for tag, attributes in page.elements:
            assert not any(name.startswith("on") or name == "style" for name in attributes), (path, tag, attributes)
            assert tag != "style"
            if tag == "script":
                assert attributes == {"src": "/static/refresh.js", "defer": None}
            for name in ("src", "href", "action"):
                assert re.match(r"(/([^/]|$)|#)", attributes.get(name) or "/"), (path, tag, attributes)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_names_and_reasons_are_text(api: ServedApi, dana: Browsing) -> None:
    request = waiting_story(api.registry, reason=HOSTILE, comment=HOSTILE)
    evidence = json.loads(json.dumps(request.evidence))
    evidence["subject"]["version"]["metadata"][HOSTILE] = HOSTILE
    evidence["subject"]["evaluations"][0]["suiteName"] = HOSTILE
    evidence["subject"]["evaluations"][0]["taskMetrics"] = {HOSTILE: 0.5}
    evidence["measured"]["artifacts"][0]["format"] = HOSTILE
    evidence["measured"]["comparisons"].append(
        {"suiteId": "x", "suiteName": HOSTILE, "conclusion": "unavailable", "reason": HOSTILE}
    )
    verdict = {"policy": HOSTILE, "title": HOSTILE, "policyVersion": 1, "outcome": "failed", "reasons": [HOSTILE]}
    query(
        api.registry,
        "update transition_requests set evidence = %s::jsonb, verdicts = %s::jsonb where id = %s",
        json.dumps(evidence),
        json.dumps([{**verdict, "facts": {}}]),
        request.id,
    )
    query(
        api.registry,
        "update models set description = %s, owners = %s where id = %s",
        HOSTILE,
        [HOSTILE],
        request.model_id,
    )
    answer = dana.get(f"/runs/{request.id}")
    assert answer.status_code == 200
    page = read(answer.text)
    assert page.text.count(HOSTILE) >= 12
    assert not any("onerror" in attributes for _, attributes in page.elements)
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert scripts == [{"src": "/static/refresh.js", "defer": None}]


def test_a_decided_request_says_how_it_ended_and_rests(api: ServedApi, dana: Browsing) -> None:
    r = api.registry
    model = r.model()
    r.version(model, weights=None)
    refused = r.open(model, "1.0.0", "submit")
    assert r.settle(refused).status == "denied"
    answer = dana.get(f"/runs/{refused.id}")
    page = read(answer.text)
    assert "Refused" in page.text
    assert "Why The version has neither" in page.text or "neither weights nor a container" in page.text
    assert "refresh" not in answer.text

    r.attach(model, "1.0.0", b"weights")
    done = r.open(model, "1.0.0", "submit")
    r.settle(done)
    assert "Version 1.0.0 went from draft to submitted." in read(dana.get(f"/runs/{done.id}").text).text

    opened = r.open(model, "1.0.0", "approve_staging")
    page = read(dana.get(f"/runs/{opened.id}").text)
    assert "Waiting for its run" in page.text
    assert "No gate has judged this yet." in page.text
    withdraw(r.unit(), r.call(r.dev), opened.id, "A mistake.")
    page = read(dana.get(f"/runs/{opened.id}").text)
    assert "Withdrawn" in page.text
    assert "A mistake." in page.text


@pytest.mark.parametrize("name", ["nothing", "..%2f..%2fetc", "%00", "' or 1=1 --", "id"])
def test_what_is_not_there_is_a_page_of_its_own(dana: Browsing, name: str) -> None:
    answer = dana.get(f"/runs/{new_id() if name == 'id' else name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith(("text/html", "application/json"))


def test_without_a_session_one_is_sent_to_sign_in(api: ServedApi, waiting: TransitionRequest) -> None:
    with Browsing(api) as browsing:
        for cookie in ({}, {"__Host-gatehouse-session": "ghs_" + "A" * 43}):
            browsing.cookies = dict(cookie)
            answer = browsing.get(f"/runs/{waiting.id}")
            assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next=/runs/{waiting.id}")
            answer = browsing.get("/?after=x")
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
            assert "model" not in answer.text
        answer = browsing.get("/runs/%2F%2Fevil.example?x=//evil.example")
        assert answer.headers.get("location", "/").startswith("/")
        assert not answer.headers.get("location", "/").startswith("//")


def test_home_lists_ones_own_requests_page_by_page(api: ServedApi, waiting: TransitionRequest) -> None:
    r = api.registry
    with Browsing(api, api.session("edsger")) as edsger:
        assert "You have not asked for anything" in read(edsger.get("/").text).text
        assert edsger.get("/?after=rubbish").status_code == 400
    person = r.person(f"person-{new_id()}", DEVELOPER, "lab")
    opened = []
    for _ in range(25):
        model = r.model()
        r.version(model, weights=None)
        opened.append(r.open(model, "1.0.0", "submit", by=person).id)
    api.sign_in(person)
    with Browsing(api, api.session(person.name)) as browsing:
        first = browsing.get("/").text
        assert "25 in all" in read(first).text
        (older,) = [a["href"] for tag, a in read(first).elements if tag == "a" and "after" in str(a.get("href"))]
        second = browsing.get(str(older)).text
    seen = re.findall(r'href="/runs/([^"]+)"', first + second)
    assert seen == opened[::-1]
    assert "Older" not in read(second).text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pages.css", "text/css; charset=utf-8"),
        ("refresh.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_files_of_the_pages(api: ServedApi, name: str, kind: str) -> None:
    with Browsing(api) as browsing:
        answer = browsing.get(f"/static/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert "http:" not in answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "https:" not in answer.text
        for other in (f"{name}.map", "../rendering.py", "%2e%2e/rendering.py", "templates/base.html", ""):
            assert browsing.get(f"/static/{other}").status_code == 404
