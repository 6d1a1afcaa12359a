"""Does the night's judgement find what became worse, and nothing else? Fleets and series whose truth is known.

The table holds our figures against fixed thresholds and tests that do not care how many they are. Powers are those of
the first night in a fleet of 10,000 of which 2 % became worse; drifts are told by power and the median nights until
found, in nights of 2,000 examples.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from governance.regression.measurements import SEVERITIES
from governance.regression.night import judge_night
from tests.benchmarks import latencies, rivals
from tests.benchmarks.fleets import EIGHT_PERCENT, THREE_PERCENT, Answers, Fleet
from tests.benchmarks.nights import OURS, Severities, Tally, begun, course, healthy, judged, single
from tests.benchmarks.results import Findings, Goal
from tests.benchmarks.telling import Telling

SIZES = (500, 5_000, 50_000)
DROPS = (0.005, 0.01, 0.02, 0.05)
NEARLY = (0.009, 0.027)  # drops that all but deserve the next severity: the hardest not to overstate
SLICES = {
    "8 % slice, 5 points": (EIGHT_PERCENT, 0.05),
    "8 % slice, 10 points": (EIGHT_PERCENT, 0.10),
    "3 % slice, 10 points": (THREE_PERCENT, 0.10),
    "3 % slice, 20 points": (THREE_PERCENT, 0.20),
}
COURSES = {
    "drift 1 point": (0.01, 14),
    "drift 2 points": (0.02, 14),
    "step 1 point": (0.01, 1),
    "step 2 points": (0.02, 1),
}
GROWTHS = (0.05, 0.10, 0.20, 0.50)


def measure(telling: Telling, *, quick: bool) -> Findings:
    models, nights, fleets, drifting, count = (2_000, 10, 2, 3, 60) if quick else (10_000, 40, 10, 3, 1_000)
    telling.phase(f"{nights} nights of {models:,} healthy models", of=nights)
    calm = healthy(Fleet(11, models, SIZES), nights, rivals.OVERALL, telling.step)
    severities = Severities()
    powers = _powers(telling, fleets=fleets, models=models, severities=severities)
    telling.phase("drops just below a severity")
    for size in SIZES:
        for drop in NEARLY:
            single(4_000, size, drop, {}, fleets=fleets, models=models, severities=severities)
    slices = _slices(telling, fleets=fleets, models=models, severities=severities)
    courses: dict[str, Any] = {}
    for name, (drop, ramp) in COURSES.items():
        telling.phase(f"{name} over {ramp} nights" if ramp > 1 else name, of=28 * drifting)
        found = course(5_000, drop, ramp, rivals.OVERALL, telling.step, models=models, fleets=drifting)
        courses[name] = {who: asdict(one) for who, one in found.items()}
    series = _series(telling, count)
    telling.phase("a whole night through judge_night")
    night = _night(Fleet(77, models, (5_000,)))
    drift = courses["drift 2 points"][OURS]
    goals = [
        Goal(
            "healthy fleet: false alarms in 1,000 model-nights", _rounded(calm[OURS].per_thousand), "at most", 0.5, ""
        ),
        Goal("2 points at n = 5,000: power", _rounded(powers[5_000][0.02][OURS].power), "at least", 0.93, ""),
        Goal("2 points over 14 nights: power", _rounded(drift["power"]), "at least", 1.0, ""),
        Goal("2 points over 14 nights: median delay", drift["delay"], "at most", 9, "nights"),
        Goal(
            "8 % slice by 10 points: power",
            _rounded(slices["8 % slice, 10 points"][OURS].power),
            "at least",
            0.95,
            "",
        ),
        Goal("severity overstated", _rounded(100 * severities.share("bound")), "at most", 0.5, "% of found"),
        Goal(f"judge_night, {models:,} models x 9 rows", night["seconds"], "at most", 5, "s"),
    ]
    figures = {
        "models": models,
        "nights": nights,
        "falseAlarmsPerThousand": {who: _rounded(one.per_thousand) for who, one in calm.items()},
        "power": {
            str(size): {str(drop): _tallies(found) for drop, found in by_drop.items()}
            for size, by_drop in powers.items()
        },
        "slices": {name: _tallies(found) for name, found in slices.items()},
        "courses": courses,
        "severity": {
            "found": severities.found,
            "overstatedShare": {by: severities.share(by) for by in ("bound", "lower", "point")},
            "givenByTrueDrop": {str(drop): dict(given) for drop, given in severities.given.items()},
        },
        "series": series,
        "night": night,
    }
    return Findings(figures, goals, _told(figures))


def _powers(
    telling: Telling, *, fleets: int, models: int, severities: Severities
) -> dict[int, dict[float, dict[str, Tally]]]:
    telling.phase("drops of the whole model", of=len(SIZES) * len(DROPS))
    found: dict[int, dict[float, dict[str, Tally]]] = {}
    for size in SIZES:
        for drop in DROPS:
            found.setdefault(size, {})[drop] = single(
                1_000, size, drop, rivals.OVERALL, fleets=fleets, models=models, severities=severities
            )
            telling.step()
    return found


def _slices(telling: Telling, *, fleets: int, models: int, severities: Severities) -> dict[str, dict[str, Tally]]:
    telling.phase("drops of one slice", of=len(SLICES))
    found = {}
    for name, (part, drop) in SLICES.items():
        found[name] = single(
            2_000, 5_000, drop, rivals.SLICED, fleets=fleets, models=models, part=part, severities=severities
        )
        telling.step()
    return found


def _series(telling: Telling, count: int) -> dict[str, dict[str, Any]]:
    telling.phase("latency series", of=len(latencies.RULES))
    found = {}
    for who, rule in latencies.RULES.items():
        found[who] = {
            "falseEpisodesPerThousand": _rounded(latencies.false_episodes(rule, 31, count)),
            **{str(growth): asdict(latencies.steps_found(rule, 32, count // 2, growth)) for growth in GROWTHS},
        }
        telling.step()
    return found


def _night(fleet: Fleet) -> dict[str, Any]:
    """The time of one night as the platform runs it, and that it says what the arrays say."""
    answers = fleet.night(0.02)
    measurements = answers.measurements()
    started = time.perf_counter()
    judgements = judge_night(measurements)
    seconds = time.perf_counter() - started
    if different := disagreements(fleet, answers):
        raise RuntimeError(f"judge_night and the arrays disagree about {different} models")
    detected = sum(one.detected for one in judgements.values())
    return {"models": fleet.models, "rows": 9 * fleet.models, "seconds": round(seconds, 2), "detected": detected}


def disagreements(fleet: Fleet, answers: Answers) -> int:
    """Models of whom `judge_night` says anything else than the arrays that the tables are made with."""
    said = list(judge_night(answers.measurements()).values())
    result = judged(answers, begun(fleet))
    severities = np.array([SEVERITIES.index(one.severity) for one in said])
    bounds = np.array([np.nan if one.bound is None else one.bound for one in said])
    causes = np.array([sum(cause.startswith("slice:") for cause in one.causes) for one in said])
    same = (
        (severities == result.severity)
        & (np.array([one.detected for one in said]) == result.detected)
        & ((bounds == result.bound) | (np.isnan(bounds) & np.isnan(result.bound)))
        & (causes == result.in_slice.reshape(fleet.models, -1).sum(axis=1))
        & (np.array([one.q for one in said]) == result.q)
    )
    return int((~same).sum())


def _tallies(found: Mapping[str, Tally]) -> dict[str, dict[str, float]]:
    return {
        who: {"power": _rounded(one.power), "falseAlarmsPerThousand": _rounded(one.per_thousand)}
        for who, one in found.items()
    }


def _rounded(value: float) -> float:
    return round(value, 4)


def _told(figures: dict[str, Any]) -> dict[str, str]:
    rows: dict[str, str] = {}
    for who, alarms in figures["falseAlarmsPerThousand"].items():
        lines = [f"{alarms:.3g} false alarms in 1,000 healthy"]
        for size, by_drop in figures["power"].items():
            powers = " ".join(f"{found[who]['power']:.2f}" for found in by_drop.values())
            lines.append(f"n = {int(size):,}: .5/1/2/5 points {powers}")
        for name, found in figures["courses"].items():
            delay = found[who]["delay"]
            lines.append(f"{name}: {found[who]['power']:.2f}" + ("" if delay is None else f" in {delay:g} nights"))
        rows[f"whole models: {who}"] = "\n".join(lines)
    for who in (OURS, *rivals.SLICED):
        rows[f"one slice, n = 5,000: {who}"] = "\n".join(
            f"{name}: {found[who]['power']:.2f} ({found[who]['falseAlarmsPerThousand']:.2g} false)"
            for name, found in figures["slices"].items()
        )
    severity = figures["severity"]
    rows["severity overstated by other readings"] = "\n".join(
        f"{100 * severity['overstatedShare'][by]:.2f} % by {name}"
        for by, name in (("point", "the estimate"), ("lower", "the plain 95 % bound"))
    )
    rows["severity given"] = "\n".join(
        f"true drop {round(100 * float(drop), 1):g} points: "
        + ", ".join(f"{count:,} {name}" for name, count in given.items())
        for drop, given in severity["givenByTrueDrop"].items()
    )
    for who, one in figures["series"].items():
        lines = [f"{one['falseEpisodesPerThousand']:.2g} false alarms in 1,000 healthy"]
        lines += [
            f"+{100 * growth:.0f} %: {one[str(growth)]['power']:.2f} in {one[str(growth)]['delay']:g} nights"
            for growth in GROWTHS
        ]
        rows[f"latency: {who}"] = "\n".join(lines)
    return rows
