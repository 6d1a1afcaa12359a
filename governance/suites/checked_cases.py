"""The cases of a suite, checked when it is made. See `governance.suites.cases` for what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from governance.suites.cases import as_label, pattern_problem
from governance.suites.catalogue import METRICS, TaskType
from governance.suites.shapes import (
    limits_of,
    list_of,
    mapping_of,
    number_of,
    object_of,
    refused,
    text_of,
    texts_of,
)

MOST_CASES = 1000
MOST_ROWS = 1000  # of one case
MOST_FEATURES = 10_000
PROMPT_LIMIT = 20_000
SECRET_LIMIT = 1000
ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_TEXT_EXPECTATIONS = ("refuses", "contains", "notContains", "matches", "leaksNoneOf")


def checked_cases(
    value: Any, task: TaskType, features: Sequence[str] | None, *, has_dataset: bool
) -> list[dict[str, Any]]:
    cases, seen = [], set[str]()
    for number, item in enumerate(list_of("definition.cases", value, MOST_CASES)):
        field = f"definition.cases[{number}]"
        case = _text_case(field, item) if task is TaskType.TEXT else _case(field, item, task, features, has_dataset)
        if case["id"] in seen:
            raise refused(f"{field}.id", f"{case['id']!r} is taken by another case.")
        seen.add(case["id"])
        cases.append(case)
    return cases


def _head(field: str, given: Mapping[str, Any]) -> dict[str, Any]:
    identifier = given["id"]
    if not isinstance(identifier, str) or not ID.fullmatch(identifier):
        raise refused(f"{field}.id", "has 1 to 100 letters, digits, dots, dashes and underscores.")
    title = {"title": text_of(f"{field}.title", given["title"])} if "title" in given else {}
    return {"id": identifier, **title}


def _text_case(field: str, item: Any) -> dict[str, Any]:
    given = object_of(field, item, ("id", "title", "prompt", "expect"), ("id", "prompt", "expect"))
    expect = object_of(f"{field}.expect", given["expect"], _TEXT_EXPECTATIONS)
    if not expect:
        raise refused(f"{field}.expect", f"names one or more of {', '.join(_TEXT_EXPECTATIONS)}.")
    found: dict[str, Any] = {}
    if "refuses" in expect:
        if not isinstance(expect["refuses"], bool):
            raise refused(f"{field}.expect.refuses", "is true or false.")
        found["refuses"] = expect["refuses"]
    for name in ("contains", "notContains", "leaksNoneOf"):
        if name in expect:
            texts = [expect[name]] if isinstance(expect[name], str) else expect[name]
            found[name] = texts_of(f"{field}.expect.{name}", texts, 100, SECRET_LIMIT)
    if "matches" in expect:
        found["matches"] = text_of(f"{field}.expect.matches", expect["matches"], SECRET_LIMIT)
        if why := pattern_problem(found["matches"]):
            raise refused(f"{field}.expect.matches", f"is no RE2 pattern: {why}.")
    prompt = text_of(f"{field}.prompt", given["prompt"], PROMPT_LIMIT)
    return {**_head(field, given), "prompt": prompt, "expect": found}


def _case(field: str, item: Any, task: TaskType, features: Sequence[str] | None, has_dataset: bool) -> dict[str, Any]:
    given = object_of(field, item, ("id", "title", "rows", "slice", "expect", "tolerance"), ("id", "expect"))
    if ("rows" in given) == ("slice" in given):
        raise refused(field, "has either rows or a slice of the dataset.")
    tolerance = number_of(f"{field}.tolerance", given.get("tolerance", 0), 0.0)
    if "rows" in given:
        about: dict[str, Any] = {"rows": _rows(f"{field}.rows", given["rows"], features)}
        expect = _of_rows(f"{field}.expect", given["expect"], task)
    else:
        if not has_dataset:
            raise refused(f"{field}.slice", "needs a dataset.")
        about = {"slice": _slice(f"{field}.slice", given["slice"])}
        expect = _of_slice(f"{field}.expect", given["expect"], task)
    return {**_head(field, given), **about, "expect": expect, "tolerance": tolerance}


def _rows(field: str, value: Any, features: Sequence[str] | None) -> list[dict[str, Any]]:
    """Every row has the same features; null is a missing value."""
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(list_of(field, value, MOST_ROWS)):
        at = f"{field}[{number}]"
        row = mapping_of(at, item, MOST_FEATURES)
        wanted = set(features) if features is not None else set(rows[0] if rows else row)
        if not row or set(row) != wanted:
            odd = sorted(wanted ^ set(row)) or ["nothing"]
            raise refused(at, f"does not have exactly the features that the model takes: see {odd[0]!r}.")
        checked = {}
        for name, cell in row.items():
            text_of(at, name)
            checked[name] = cell if cell is None or isinstance(cell, bool) else number_of(f"{at}.{name}", cell)
        rows.append(checked)
    return rows


def _slice(field: str, value: Any) -> dict[str, str]:
    columns = mapping_of(field, value, 10)
    if not columns:
        raise refused(field, "names a column and its value.")
    return {text_of(field, name): text_of(f"{field}.{name}", wanted) for name, wanted in columns.items()}


def _of_rows(field: str, value: Any, task: TaskType) -> dict[str, Any]:
    if task is TaskType.REGRESSION:
        expect = object_of(field, value, ("value", "range"))
        if len(expect) != 1:
            raise refused(field, "is a value or a range.")
        if "value" in expect:
            return {"value": number_of(f"{field}.value", expect["value"])}
        return {"range": limits_of(f"{field}.range", expect["range"])}
    expect = object_of(field, value, ("label", "minScore"), ("label",))
    label = expect["label"]
    if isinstance(label, bool) or not isinstance(label, str | int):
        raise refused(f"{field}.label", "is a text or a whole number.")
    found: dict[str, Any] = {"label": text_of(f"{field}.label", as_label(label))}
    if "minScore" in expect:
        found["minScore"] = number_of(f"{field}.minScore", expect["minScore"])
    return found


def _of_slice(field: str, value: Any, task: TaskType) -> dict[str, Any]:
    expect = object_of(field, value, ("metric", "min", "max"), ("metric",))
    if expect["metric"] not in METRICS[task]:
        raise refused(f"{field}.metric", f"is one of {', '.join(sorted(METRICS[task]))}.")
    limits = limits_of(field, {name: expect[name] for name in ("min", "max") if name in expect})
    return {"metric": expect["metric"], **limits}
