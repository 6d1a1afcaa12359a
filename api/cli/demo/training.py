"""Two experiments on data that ships inside scikit-learn: models as ONNX, held-out examples as a table.

Seeds are fixed, so every run of the demo tells the same story. On the breast-cancer hold-out (285 examples) the
recipe `first` is right about 275 times. `careless` is right about 259 times: enough for the thresholds, and 16
more errors than `first` are far more than chance. `better` is right about 278 times. Between `first` and `better`
so few answers differ that either is shown to be within three points of the other.
"""

from __future__ import annotations

import csv
import io
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SPLIT_SEED = 11
TARGET = "benign"
DIABETES_TARGET = "above_median"
SENSITIVE = "sex"


@dataclass(frozen=True)
class Trained:
    """`recipe`: what was done, in words. `onnx`: the model. `pickled`: the same model as Python pickles."""

    recipe: str
    onnx: bytes
    pickled: bytes


@dataclass(frozen=True)
class Experiment:
    """`holdout`: a table of `examples` rows that no model was trained on, with `target` and the features."""

    target: str
    holdout: bytes
    format: Literal["parquet", "csv"]
    examples: int
    models: dict[str, Trained]


def breast_cancer() -> Experiment:
    """Is a tumour benign? 30 measurements of cell nuclei, 569 patients, half of them held out."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.tree import DecisionTreeClassifier

    data = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in data.feature_names]
    train, test, truth, held_out = _split(data.data, data.target)
    recipes: dict[str, tuple[str, Any]] = {
        "first": ("logistic regression on all 30 measurements", _regression(0.05)),
        "careless": ("a decision tree of two questions", DecisionTreeClassifier(max_depth=2, random_state=0)),
        "better": ("logistic regression with less shrinkage", _regression(0.2)),
    }
    models = {key: _trained(recipe, model.fit(train, truth), train) for key, (recipe, model) in recipes.items()}
    return Experiment(TARGET, _parquet(names, test, TARGET, held_out), "parquet", len(test), models)


def diabetes() -> Experiment:
    """Does the disease progress faster than the median? Ten measurements of 442 patients, half held out.

    `sex` stays a column of its own, coded 1 and 2: a feature, and the column that fairness is judged by.
    """
    import numpy as np
    from sklearn.datasets import load_diabetes

    data = load_diabetes(scaled=False)
    above = (data.target > np.median(data.target)).astype(int)
    train, test, truth, held_out = _split(data.data, above)
    model = _regression(1.0).fit(train, truth)
    models = {"first": _trained("logistic regression on ten measurements", model, train)}
    return Experiment(
        DIABETES_TARGET,
        _csv([str(name) for name in data.feature_names], test, DIABETES_TARGET, held_out),
        "csv",
        len(test),
        models,
    )


def with_one_bit_flipped(content: bytes) -> bytes:
    """The same file but for one bit in its middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _split(features: Any, target: Any) -> tuple[Any, Any, Any, Any]:
    """(training features, held-out features, training labels, held-out labels), half and half.

    Training sees float32, as the ONNX model will.
    """
    from sklearn.model_selection import train_test_split

    train, test, truth, held_out = train_test_split(
        features, target, test_size=0.5, random_state=SPLIT_SEED, stratify=target
    )
    return train.astype("float32"), test, truth, held_out


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))


def _trained(recipe: str, model: Any, features: Any) -> Trained:
    from skl2onnx import to_onnx

    converted = to_onnx(model, features[:1], name="demo", options={"zipmap": False})
    return Trained(recipe, converted.SerializeToString(deterministic=True), pickle.dumps(model))


def _parquet(names: Sequence[str], features: Any, target: str, labels: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array(features[:, position]) for position, name in enumerate(names)}
    out = io.BytesIO()
    pq.write_table(pa.table({**columns, target: pa.array(labels)}), out)
    return out.getvalue()


def _csv(names: Sequence[str], features: Any, target: str, labels: Any) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, target])
    writer.writerows([*map(float, row), int(label)] for row, label in zip(features, labels, strict=True))
    return out.getvalue().encode()


EXPERIMENTS: dict[str, Callable[[], Experiment]] = {"breast-cancer": breast_cancer, "diabetes": diabetes}
