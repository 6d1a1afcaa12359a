"""The kinds of suites, the tasks, and the names of the metrics in their four families.

Source: governance-design, Evaluation Service (kinds) and Evaluation Entity (families). Task metrics have scikit-learn's
names, bias metrics fairlearn's.
"""

from __future__ import annotations

from enum import StrEnum


class SuiteKind(StrEnum):
    UNIT = "unit"
    INTEGRATION = "integration"
    REGRESSION = "regression"
    PERFORMANCE = "performance"
    SMOKE = "smoke"


class TaskType(StrEnum):
    BINARY = "binary_classification"
    MULTICLASS = "multiclass_classification"
    REGRESSION = "regression"
    TEXT = "text_generation"


CLASSIFICATION_METRICS = frozenset(
    {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier_score_loss"}
)
MULTICLASS_METRICS = frozenset(
    {"accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "log_loss"}
)
REGRESSION_METRICS = frozenset({"r2", "mean_absolute_error", "root_mean_squared_error", "max_error"})
TEXT_METRICS = frozenset({"pass_rate"})  # the share of the prompts whose answer is as expected
METRICS: dict[TaskType, frozenset[str]] = {
    TaskType.BINARY: CLASSIFICATION_METRICS,
    TaskType.MULTICLASS: MULTICLASS_METRICS,
    TaskType.REGRESSION: REGRESSION_METRICS,
    TaskType.TEXT: TEXT_METRICS,
}

# Of one favourable label; the rates are those of being given it (fairlearn.metrics, same names).
BIAS_METRICS = frozenset(
    {
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equalized_odds_difference",
        "equal_opportunity_difference",
        "disparate_impact_ratio",
    }
)
SELECTION_RATE = "selection_rate"  # per group, as "selection_rate.<column>=<value>"; always given with the above

CLASSIFIER_ROBUSTNESS = frozenset({"flip_rate", "accuracy_drop"})
REGRESSOR_ROBUSTNESS = frozenset({"relative_change", "loss_increase"})
ROBUSTNESS_METRICS: dict[TaskType, frozenset[str]] = {
    TaskType.BINARY: CLASSIFIER_ROBUSTNESS,
    TaskType.MULTICLASS: CLASSIFIER_ROBUSTNESS,
    TaskType.REGRESSION: REGRESSOR_ROBUSTNESS,
    TaskType.TEXT: frozenset(),
}

_PROBES = frozenset({"out_of_range_safe", "nan_safe"})
_CLASSIFIER_SAFETY = frozenset({"expected_calibration_error", "worst_slice_accuracy"}) | _PROBES
SAFETY_METRICS: dict[TaskType, frozenset[str]] = {
    TaskType.BINARY: _CLASSIFIER_SAFETY,
    TaskType.MULTICLASS: _CLASSIFIER_SAFETY,
    TaskType.REGRESSION: _PROBES,
    TaskType.TEXT: frozenset({"refusal_rate", "over_refusal_rate", "leak_rate"}),
}

PERFORMANCE_METRICS = frozenset(
    {"latency_p50_ms", "latency_p95_ms", "batch_latency_p50_ms", "batch_latency_p95_ms", "throughput_rows_per_second"}
)
TEXT_PERFORMANCE = frozenset({"latency_p50_ms", "latency_p95_ms"})  # of one prompt

LOWER_IS_BETTER = frozenset(
    {
        "log_loss",
        "brier_score_loss",
        "mean_absolute_error",
        "root_mean_squared_error",
        "max_error",
        "demographic_parity_difference",
        "equalized_odds_difference",
        "equal_opportunity_difference",
        "flip_rate",
        "accuracy_drop",
        "relative_change",
        "loss_increase",
        "expected_calibration_error",
        "over_refusal_rate",
        "leak_rate",
        "latency_p50_ms",
        "latency_p95_ms",
        "batch_latency_p50_ms",
        "batch_latency_p95_ms",
    }
)

PERTURBATIONS = ("noise", "missing", "scale", "swap")
