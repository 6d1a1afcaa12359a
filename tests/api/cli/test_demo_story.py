"""Telling what happens: chapters in their order, steps with what was expected, lanes that wait for each other."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from api.cli.demo.client import Answer, PlatformGone, Refused, Stopped
from api.cli.demo.faces import Colours, Lines, Silent, face_for
from api.cli.demo.lanes import Milestone, lane
from api.cli.demo.overview import VersionRow, addresses, print_addresses, print_versions
from api.cli.demo.story import Broken, Step, Story


class Heard(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def heading(self, title: str) -> None:
        self.lines.append(f"# {title}")

    def note(self, text: str) -> None:
        self.lines.append(text)

    def step(self, step: Step) -> None:
        self.lines.append(step.name)


def plain(width: int = 40) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width), out


def test_chapters_are_told_in_order_although_they_run_side_by_side() -> None:
    heard = Heard()
    story = Story(heard)
    one, two = story.chapter("one"), story.chapter("two")
    with two.step("2a", "x") as step:
        step.went("x")
    with one.step("1a", "x") as step:
        step.went("x")
    assert heard.lines == ["# one", "1a"]
    two.say("2b")
    two.close()
    one.say("1b")
    assert heard.lines == ["# one", "1a", "1b"]
    one.close()
    assert heard.lines == ["# one", "1a", "1b", "# two", "2a", "2b"]


def test_nothing_is_lost_when_many_threads_tell() -> None:
    heard = Heard()
    story = Story(heard)
    chapters = [story.chapter(str(number)) for number in range(4)]

    def tell(number: int) -> None:
        for count in range(200):
            with chapters[number].step(f"{number}.{count}", "x") as step:
                step.went("x")
        chapters[number].close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, range(4)))
    expected = [line for n in range(4) for line in (f"# {n}", *(f"{n}.{count}" for count in range(200)))]
    assert heard.lines == expected
    assert story.running() == []


def test_finishing_shows_what_is_left() -> None:
    heard = Heard()
    story = Story(heard)
    story.chapter("one")
    story.chapter("two").say("kept")
    story.finish()
    assert heard.lines == ["# one", "# two", "kept"]


def test_a_refusal_inside_a_step_is_what_happened() -> None:
    story = Story(Heard())
    problems = [{"field": "body.name", "problem": "too long"}]
    body = {"error": {"code": "INVALID_INPUT", "message": "Bad.", "details": {"problems": problems}}}
    with pytest.raises(Broken, match="model 1: submit"), story.chapter("c").step("submit", "ok", about="model 1"):
        raise Refused(Answer(400, body))
    (step,) = story.failed
    assert step.happened == "400 INVALID_INPUT: Bad."
    assert step.reasons == ("body.name: too long",)


def test_an_answer_of_another_shape_is_what_happened() -> None:
    story = Story(Heard())
    with pytest.raises(Broken), story.chapter("c").step("submit", "ok"):
        raise KeyError("data")
    assert story.failed[0].happened == "KeyError: 'data'"


@pytest.mark.parametrize("error", [PlatformGone("no answer"), Stopped()])
def test_an_outage_ends_a_step_and_goes_on(error: Exception) -> None:
    story = Story(Heard())
    with pytest.raises(type(error)), story.chapter("c").step("submit", "ok"):
        raise error
    assert len(story.failed) == 1


def test_a_step_that_says_nothing_did_not_go_as_expected() -> None:
    story = Story(Heard())
    with story.chapter("c").step("submit", "ok"):
        pass
    assert len(story.failed) == 1


def test_what_runs_is_known_while_it_runs() -> None:
    story = Story(Heard())
    with story.chapter("c").step("submit", "ok") as step:
        assert story.running() == [step]
        step.went("ok")
    assert story.running() == []


def test_a_step_as_json() -> None:
    step = Step("c", "m 1.0.0", "submit", "submitted", request_id="r1", dashboard="http://d/1")
    step.went("denied", ok=False, reasons=("why",))
    shown = step.to_json()
    expected = {
        "name": "m 1.0.0: submit",
        "expected": "submitted",
        "happened": "denied",
        "ok": False,
        "requestId": "r1",
        "dashboard": "http://d/1",
        "reasons": ["why"],
    }
    assert shown.items() >= {**expected, "seconds": 0.0}.items()


def test_plain_lines_are_neither_cut_nor_read_as_markup() -> None:
    console, out = plain(width=20)
    step = Step("c", "", "submit", "submitted")
    step.went("denied [red]by[/red] " + "x" * 100, ok=False, reasons=("[bold]why",))
    step.table = (("what", "approved", "now"), ("weights: sha256", "aa", "bb"))
    Lines(console).step(step)
    lines = out.getvalue().splitlines()
    assert lines[0] == f"  ✗ submit: denied [red]by[/red] {'x' * 100}  (0.0 s)"
    assert [line.strip() for line in lines[1:]] == [
        "expected: submitted",
        "[bold]why",
        "what             approved  now",
        "weights: sha256  aa        bb",
    ]


def test_a_terminal_shows_the_same_words() -> None:
    out = io.StringIO()
    step = Step("c", "", "submit", "submitted")
    step.went("denied [red]", ok=False, reasons=("[bold]why",))
    step.table = (("what", "approved", "now"), ("sha256", "aa", "bb"))
    console = Console(file=out, width=100, force_terminal=True, no_color=True)
    face = face_for(console, as_json=False)
    assert isinstance(face, Colours)
    face.heading("A chapter")
    face.step(step)
    text = out.getvalue()
    for words in ("A chapter", "denied [red]", "expected: submitted", "[bold]why", "approved", "bb"):
        assert words in text


def test_json_has_a_silent_face() -> None:
    console, out = plain()
    face = face_for(console, as_json=True)
    face.heading("x")
    face.note("x")
    face.step(Step("c", "", "n", "e"))
    assert out.getvalue() == ""
    assert isinstance(face_for(console, as_json=False), Lines)


def test_a_missed_milestone_breaks_who_waits_for_it() -> None:
    story = Story(Heard())
    first, second = story.chapter("first"), story.chapter("second")
    reached = Milestone("1.0.0 in production")
    begun = threading.Event()

    def breaks() -> None:
        begun.wait()
        with first.step("submit", "ok"):
            raise KeyError

    def waits() -> None:
        begun.set()
        reached.wait()
        raise AssertionError("nothing was reached")

    with ThreadPoolExecutor(2) as pool:
        works = [
            pool.submit(lane, breaks, first, [reached], lambda: None),
            pool.submit(lane, waits, second, [], lambda: None),
        ]
        assert [work.result(timeout=30) for work in works] == [None, None]
    assert len(story.failed) == 1


def test_a_reached_milestone_stays_reached() -> None:
    milestone = Milestone("x")
    milestone.reach()
    milestone.miss()
    milestone.wait()


def test_an_outage_in_one_lane_stops_the_others() -> None:
    story = Story(Heard())
    stopped = threading.Event()
    gone = PlatformGone("no answer")

    def work() -> None:
        raise gone

    assert lane(work, story.chapter("c"), [], stopped.set) is gone
    assert stopped.is_set()


def test_a_defect_is_raised() -> None:
    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lane(work, Story(Heard()).chapter("c"), [], lambda: None)


def test_each_run_is_listed_once_and_by_version() -> None:
    steps = [
        Step("c", about, name, "x", dashboard=address)
        for about, name, address in (
            ("b 2", "submit", "http://d/3"),
            ("a 1", "approve", "http://d/1"),
            ("a 1", "decided", "http://d/1"),
            ("a 1", "refused", None),
        )
    ]
    found = addresses("http://api/", "http://d/", steps)
    assert found.docs == "http://api/docs"
    assert found.runs == (("a 1: approve", "http://d/1"), ("b 2: submit", "http://d/3"))
    console, out = plain()
    print_addresses(console, found)
    assert "  a 1: approve  http://d/1\n" in out.getvalue()


def test_the_table_of_versions_is_whole_without_a_terminal() -> None:
    rows = [
        VersionRow("a-model-with-a-long-name", "10.0.0", "production", 0.9649, ("demo-ravi", "demo-clara"), True),
        VersionRow("m", "9.0.0", "draft", None, (), False),
    ]
    console, out = plain(width=20)
    print_versions(console, rows)
    assert out.getvalue().splitlines() == [
        "model                     version  state       accuracy  approved by",
        "a-model-with-a-long-name  10.0.0   production  0.965     demo-ravi, demo-clara",
        "m                         9.0.0    draft       –         –",
    ]
    assert rows[0].to_json()["approvedBy"] == ["demo-ravi", "demo-clara"]
