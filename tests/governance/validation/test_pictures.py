"""What is drawn follows from what was recorded, and nothing is drawn of what was not."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from governance.validation import pictures
from governance.validation.pictures import NightRow, SeriesPoint, digest_of_picture
from tests.fixtures.validation import judged, measured

SUITE = "01890000-0000-7000-8000-000000000001"


def a_run(
    label: str = "2026-02-01", *, drop: float = 0.0, severity: str = "none", suite: str = SUITE
) -> dict[str, Any]:
    found = judged(suite, drop, detected=severity != "none", severity=severity)
    return {"label": label, "measured": measured(suite, drop), "judged": found}


def rounded(one: Any) -> tuple[Any, ...]:
    return tuple(round(value, 9) if isinstance(value, float) else value for value in astuple(one))


def test_a_series_has_the_score_its_interval_the_alarm_and_the_pin() -> None:
    drawn = pictures.series([a_run("a"), a_run("b", drop=0.05, severity="high")], SUITE)
    assert drawn is not None
    assert (drawn.baseline, drawn.title) == (0.9, "Score of holdout")
    first, last = drawn.points
    assert rounded(first) == ("a", 0.9, 0.89, 0.91, False)
    assert rounded(last) == ("b", 0.85, 0.84, 0.86, True)


def test_a_mean_loss_grows_by_a_drop() -> None:
    run = a_run(drop=0.05)
    run["measured"]["suites"][0]["score"] = 0.95
    drawn = pictures.series([run], SUITE)
    assert drawn is not None
    assert rounded(drawn.points[0]) == ("2026-02-01", 0.95, 0.94, 0.96, False)


def test_where_runs_tell_what_is_better_nothing_is_guessed() -> None:
    """Without a drop both directions fit, and the interval is a different one."""
    run = a_run()
    run["judged"]["suites"][SUITE] |= {"lower": -0.01, "upper": 0.03}
    for told, interval, unit in (
        (True, (0.89, 0.93), "score, lower is better"),
        (False, (0.87, 0.91), "score"),
        (None, (0.87, 0.91), "score"),
    ):
        run["measured"]["suites"][0]["lower_is_better"] = told
        drawn = pictures.series([run], SUITE)
        assert drawn is not None
        assert rounded(drawn.points[0])[2:4] == interval
        assert drawn.unit == unit


def test_a_drop_in_another_unit_gives_the_score_no_interval() -> None:
    run = a_run(drop=0.05)
    run["measured"]["suites"][0]["score"] = 12.5
    drawn = pictures.series([run], SUITE)
    assert drawn is not None
    assert drawn.points == (SeriesPoint("2026-02-01", 12.5, None, None, False),)


def test_nights_without_a_score_are_left_out() -> None:
    silent = a_run("silent")
    silent["measured"]["suites"][0]["score"] = None
    other = a_run("other", suite="01890000-0000-7000-8000-000000000002")
    nothing = {"label": "nothing", "measured": None, "judged": None}
    drawn = pictures.series([silent, other, nothing, a_run("a")], SUITE)
    assert drawn is not None
    assert [point.label for point in drawn.points] == ["a"]
    assert pictures.series([silent, other, nothing], SUITE) is None


def test_the_forest_begins_with_everything_then_what_was_detected() -> None:
    drawn = pictures.forest(a_run(drop=0.04, severity="medium"), SUITE)
    assert drawn is not None
    assert (drawn.unit, drawn.limit) == ("share of the examples", 0.02)
    assert [row.name for row in drawn.rows] == ["all examples", "region=south", "region=north"]
    assert rounded(drawn.rows[0]) == ("all examples", 0.04, 0.03, 0.05, 5000, True)
    assert [row.detected for row in drawn.rows[1:]] == [True, False]


def test_losses_are_drawn_in_their_own_unit() -> None:
    run = a_run(drop=0.3)
    run["measured"]["suites"][0]["measurement"]["overall"]["kind"] = "losses"
    drawn = pictures.forest(run, SUITE)
    assert drawn is not None
    assert (drawn.unit, drawn.limit) == ("standard deviations of the baseline's losses", 0.2)


def test_many_slices_are_bounded() -> None:
    run = a_run()
    one = run["judged"]["suites"][SUITE]["slices"][0]
    run["judged"]["suites"][SUITE]["slices"] = [{**one, "name": f"s={n}", "drop": n / 1000} for n in range(500)]
    drawn = pictures.forest(run, SUITE)
    assert drawn is not None
    assert len(drawn.rows) == 1 + pictures.MOST_SLICES
    assert drawn.rows[1].name == "s=499", "the largest ones are shown"


def test_without_a_judgement_there_is_no_forest() -> None:
    assert pictures.forest({**a_run(), "judged": None}, SUITE) is None
    assert pictures.forest(a_run(), "another suite") is None
    assert pictures.suite_to_show({"measured": None, "judged": None}) is None


def test_reliability_shows_bins_with_examples() -> None:
    run = a_run()
    run["measured"]["suites"][0]["results"]["calibration"]["bins"][0]["n"] = 0
    drawn = pictures.reliability(run, SUITE)
    assert drawn is not None
    assert len(drawn.bins) == 9
    assert rounded(drawn.bins[0]) == (0.15, 0.16, 40)
    del run["measured"]["suites"][0]["results"]["calibration"]
    assert pictures.reliability(run, SUITE) is None
    run["measured"]["suites"][0]["results"] = None
    assert pictures.reliability(run, SUITE) is None


def test_the_suite_that_matters_most_is_shown() -> None:
    quiet, worse = "01890000-0000-7000-8000-00000000000a", "01890000-0000-7000-8000-00000000000b"
    first, second = a_run(suite=quiet), a_run(suite=worse, drop=0.05, severity="low")
    run = {
        "measured": {"suites": [*first["measured"]["suites"], *second["measured"]["suites"]]},
        "judged": {"suites": {**first["judged"]["suites"], **second["judged"]["suites"]}},
    }
    assert pictures.suite_to_show(run) == worse
    assert pictures.suite_to_show({**run, "judged": first["judged"]}) == quiet
    assert pictures.suite_to_show({**run, "judged": None}) == quiet


def test_nights_beside_each_other() -> None:
    drawn = pictures.overview([("2026-02-01", {"passed": 3, "failed": 1, "not_reached": 2}, 1), ("2026-02-02", {}, 0)])
    assert drawn.nights == (NightRow("2026-02-01", 3, 1, 0, 0, 1), NightRow("2026-02-02", 0, 0, 0, 0, 0))


def test_the_digest_is_of_everything_that_is_shown() -> None:
    runs = [a_run(), a_run(drop=0.05), a_run(drop=0.05, severity="low")]
    drawn = [pictures.forest(run, SUITE) for run in runs] + [pictures.series([run], SUITE) for run in runs]
    digests = [digest_of_picture(one) for one in drawn if one is not None]
    assert len(set(digests)) == len(digests) == 6
    again = pictures.forest(a_run(), SUITE)
    assert again is not None
    assert digest_of_picture(again) == digests[0]
