"""Expectation suites, validations and drafts, as they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from governance.data_validation.findings import sentence, withheld_sentence

Status = Literal["queued", "running", "passed", "failed", "error"]
FINISHED: tuple[Status, ...] = ("passed", "failed", "error")


@dataclass(frozen=True, slots=True)
class ExpectationSuite:
    """One version of what is expected of a dataset; it never changes. number: 1, 2, ... of the dataset."""

    id: str
    dataset_id: str
    number: int
    expectations: tuple[Mapping[str, Any], ...]
    source: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class DataValidation:
    """One run of a suite. `failed` when a critical expectation does not hold, `error` when nobody could tell.

    failures: see `governance.data_validation.findings`, each with its `sentence`; warnings are among them.
    reason: of an error, in words. rows: that were looked at. seconds: of wall-clock time.
    correlation: of the call or run that made it.
    """

    id: str
    dataset_id: str
    number: int
    digest: str
    dataset_sha256: str
    source: Mapping[str, Any]
    status: Status
    reason: str | None = None
    checked: int = 0
    failures: tuple[Mapping[str, Any], ...] = ()
    rows: int | None = None
    seconds: float | None = None
    executed_at: datetime | None = None
    correlation: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For the audit log: what was found, without a single value of the data."""
        told = [{name: one[name] for name in ("type", "severity", "unexpected", "elements")} for one in self.failures]
        return {
            "expectations": {"number": self.number, "digest": self.digest, "checked": self.checked},
            "status": self.status,
            "failures": told[:100],
            "rows": self.rows,
        }


@dataclass(frozen=True, slots=True)
class Profile:
    """A first draft of expectations, made from the data of a dataset."""

    id: str
    dataset_id: str
    dataset_sha256: str
    status: Literal["queued", "running", "done", "error"]
    reason: str | None = None
    expectations: tuple[Mapping[str, Any], ...] = field(default=())
    rows: int | None = None


def as_evidence(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a gate is told of one dataset, from what the registry keeps.

    found: suiteId, suiteName, datasetId, datasetSha256, number, digest, source, checked, status (None: not validated),
    reason, failures, executedAt, open (whether whoever may read the model may read the dataset, by the same rule),
    known (columns that the evaluation suite names for everybody who may read the model).

    Nothing in it changes when a validation is repeated with the same outcome. Only of a table elsewhere, whose content
    may change at any time, the moment is told.
    """
    failures: Sequence[Mapping[str, Any]] = found["failures"] or ()
    told = [
        {
            "type": one["type"],
            "severity": one["severity"],
            "sentence": sentence(one) if found["open"] else withheld_sentence(one, set(found["known"])),
        }
        for one in failures
    ]
    elsewhere = found["source"]["kind"] != "artifact"
    return {
        "suiteId": found["suiteId"],
        "suiteName": found["suiteName"],
        "datasetId": found["datasetId"],
        "datasetSha256": found["datasetSha256"],
        "expectations": {"number": found["number"], "digest": found["digest"], "checked": found["checked"]},
        "source": found["source"]["kind"],
        "status": found["status"] or "missing",
        "reason": found["reason"],
        "failures": told,
        "executedAt": found["executedAt"] if elsewhere else None,
    }
