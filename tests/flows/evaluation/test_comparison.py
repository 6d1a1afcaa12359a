from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

from flows.evaluation.comparison import Incomparable, PairedCounts, PairedLosses, compare_outcomes
from flows.evaluation.job import SuiteRun
from flows.evaluation.outcomes import CLASSIFICATION, REGRESSION
from flows.evaluation.suite import run_suite
from governance.statistics.paired import compare_binary, compare_continuous
from tests.flows.evaluation.samples import (
    LIMITS,
    columns_of,
    converted,
    job,
    onnx_of,
    parquet,
    saved,
    spec_of,
    split,
    trained,
)


def _answers(path: Path, target: list[str], prediction: list[str], example: list[int] | None = None) -> Path:
    columns = {
        "example": example if example is not None else list(range(len(target))),
        "target": target,
        "prediction": prediction,
        "correct": [t == p for t, p in zip(target, prediction, strict=True)],
        "score": [None] * len(target),
    }
    pq.write_table(pa.table(columns, schema=CLASSIFICATION), path)
    return path


def _numbers(path: Path, target: list[float], prediction: list[float], loss: list[float] | None = None) -> Path:
    columns = {
        "example": list(range(len(target))),
        "target": target,
        "prediction": prediction,
        "loss": loss if loss is not None else [abs(t - p) for t, p in zip(target, prediction, strict=True)],
        "score": [None] * len(target),
    }
    pq.write_table(pa.table(columns, schema=REGRESSION), path)
    return path


def test_counts(tmp_path: Path) -> None:
    incumbent = _answers(tmp_path / "a", list("aabbc"), list("aabaa"))
    candidate = _answers(tmp_path / "b", list("aabbc"), list("abbbc"))
    assert compare_outcomes(candidate, incumbent) == PairedCounts(b=1, c=2, n=5)
    assert compare_outcomes(incumbent, candidate) == PairedCounts(b=2, c=1, n=5)


def test_examples_are_joined_and_not_merely_counted_off(tmp_path: Path) -> None:
    incumbent = _answers(tmp_path / "a", list("abc"), list("abx"))
    candidate = _answers(tmp_path / "b", list("cab"), list("cxb"), example=[2, 0, 1])
    assert compare_outcomes(candidate, incumbent) == PairedCounts(b=1, c=1, n=3)


def test_losses(tmp_path: Path) -> None:
    incumbent = _numbers(tmp_path / "a", [1.0, 2.0], [1.5, 2.0])
    candidate = _numbers(tmp_path / "b", [1.0, 2.0], [1.0, 4.0])
    found = compare_outcomes(candidate, incumbent)
    assert isinstance(found, PairedLosses)
    assert found.candidate.tolist() == [0.0, 2.0]
    assert found.incumbent.tolist() == [0.5, 0.0]


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    answers = _answers(tmp_path / "answers", list("ab"), list("ab"))
    numbers = _numbers(tmp_path / "numbers", [1.0, 2.0], [1.0, 2.0])
    cases: list[tuple[Path, str]] = [
        (_answers(tmp_path / "longer", list("abc"), list("abc")), "different examples (3 and 2)"),
        (_answers(tmp_path / "others", list("ab"), list("ab"), example=[0, 2]), "different examples"),
        (_answers(tmp_path / "truth", list("ba"), list("ba")), "disagree on the true answers"),
        (_answers(tmp_path / "twice", list("aa"), list("aa"), example=[0, 0]), "repeat an example"),
        (numbers, "classification and the other a regression"),
        (saved(tmp_path / "broken", answers.read_bytes()[:-9]), "cannot be read"),
        (saved(tmp_path / "empty", b""), "cannot be read"),
        (tmp_path / "absent", "cannot be read"),
        (parquet(tmp_path / "strange", {"x": [1]}), "not outcomes"),
    ]
    for candidate, words in cases:
        found = compare_outcomes(candidate, answers)
        assert isinstance(found, Incomparable), candidate
        assert words in found.reason


@pytest.mark.parametrize("loss", [[np.nan, 1.0], [np.inf, 1.0], [-1.0, 1.0], [None, 1.0]])
def test_losses_that_are_none(loss: list[Any], tmp_path: Path) -> None:
    good = _numbers(tmp_path / "good", [1.0, 2.0], [1.0, 2.0])
    found = compare_outcomes(_numbers(tmp_path / "bad", [1.0, 2.0], [1.0, 2.0], loss), good)
    assert isinstance(found, Incomparable)


def _run(model: bytes, name: str, folder: Path) -> Path:
    data = parquet(folder / "data", columns_of(name))
    run = run_suite(spec_of(folder, model), data, job(name), limits=LIMITS, work_dir=folder)
    assert isinstance(run, SuiteRun), run
    return run.outcomes_path


def test_two_real_models_from_predictions_to_a_conclusion(tmp_path: Path) -> None:
    x, test_x, y, test_y, _ = split("cancer")
    bad = LogisticRegression(max_iter=200).fit(x[:, :1] * 0, y)
    bad.coef_, bad.n_features_in_ = np.zeros((1, 30)), 30  # always the more frequent class
    good_path, bad_path = (
        _run(converted("cancer"), "cancer", tmp_path),
        _run(onnx_of(bad, 30), "cancer", tmp_path),
    )
    found = compare_outcomes(bad_path, good_path)
    assert isinstance(found, PairedCounts)
    right = trained("cancer").predict(test_x) == test_y
    was_right = np.full(len(test_y), np.bincount(y).argmax()) == test_y
    assert found == PairedCounts(int((right & ~was_right).sum()), int((was_right & ~right).sum()), len(test_y))
    assert compare_binary(found.b, found.c, found.n, margin=0.02).conclusion == "worse"
    same = compare_outcomes(good_path, good_path)
    assert isinstance(same, PairedCounts)
    assert compare_binary(same.b, same.c, same.n, margin=0.02).conclusion == "not_worse"


def test_a_regression_from_predictions_to_a_conclusion(tmp_path: Path) -> None:
    path = _run(converted("diabetes"), "diabetes", tmp_path)
    found = compare_outcomes(path, path)
    assert isinstance(found, PairedLosses)
    assert compare_continuous(found.candidate, found.incumbent, margin=0.05).conclusion == "not_worse"


def _with_slices(path: Path, answers: Path, **columns: list[str]) -> Path:
    table = pq.read_table(answers)
    for name, values in columns.items():
        table = table.append_column(f"slice.{name}", pa.array(values, pa.string()))
    pq.write_table(table, path)
    return path


def test_counts_of_every_slice(tmp_path: Path) -> None:
    plain = (
        _answers(tmp_path / "p", list("aabbc"), list("aabaa")),
        _answers(tmp_path / "q", list("aabbc"), list("abbbc")),
    )
    region, sex = ["n", "n", "n", "s", "s"], ["f", "m", "f", "m", "f"]
    incumbent = _with_slices(tmp_path / "a", plain[0], region=region)
    candidate = _with_slices(tmp_path / "b", plain[1], region=region, sex=sex)
    found = compare_outcomes(candidate, incumbent)
    assert isinstance(found, PairedCounts)
    assert (found.b, found.c, found.n) == (1, 2, 5)
    assert found.slices == {"region=n": PairedCounts(1, 0, 3), "region=s": PairedCounts(0, 2, 2)}
    assert compare_outcomes(candidate, plain[0]) == PairedCounts(1, 2, 5)  # written before there were slices
    other = compare_outcomes(candidate, _with_slices(tmp_path / "c", plain[0], region=region[::-1]))
    assert isinstance(other, Incomparable)
    assert "disagree on 'region'" in other.reason


def test_slices_of_losses_are_masks(tmp_path: Path) -> None:
    first, second = (_numbers(tmp_path / name, [1.0, 2.0, 3.0], [1.0, 2.0, 3.5]) for name in "pq")
    found = compare_outcomes(
        _with_slices(tmp_path / "a", first, k=["x", "y", "x"]), _with_slices(tmp_path / "b", second, k=["x", "y", "x"])
    )
    assert isinstance(found, PairedLosses)
    assert {name: mask.tolist() for name, mask in found.slices.items()} == {
        "k=x": [True, False, True],
        "k=y": [False, True, False],
    }


def test_other_columns_are_no_slices(tmp_path: Path) -> None:
    answers = _answers(tmp_path / "answers", list("ab"), list("ab"))
    table = pq.read_table(answers)
    for name, values in (("more", ["x", "y"]), ("slice.k", [1, 2]), ("slice.k", [None, "x"])):
        path = tmp_path / "odd"
        kind = pa.int64() if values == [1, 2] else pa.string()
        pq.write_table(table.append_column(name, pa.array(values, kind)), path)
        assert isinstance(compare_outcomes(path, answers), Incomparable)
