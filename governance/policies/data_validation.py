"""The data that a version is judged on are what is expected of them.

Every dataset of the model's evaluation suites that has expectations was validated against their newest version, and
no critical one fails. A dataset without expectations is judged by the other policies alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.policies.base import Policy
from governance.policies.samples import sample_case
from governance.policies.scope import Kind
from governance.verdicts import Failed, Passed, Unknown, Verdict


def needs_validation(subject: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of the subject's facts about data, those that say nothing yet. An error may pass, so it is tried again."""
    return [one for one in subject.get("dataValidations", ()) if one["status"] in ("missing", "error")]


@dataclass(frozen=True)
class DataMeetExpectations(Policy):
    name: ClassVar[str] = "data-validation"
    title: ClassVar[str] = "Are the data what is expected of them?"
    kind: ClassVar[Kind] = "compliance"
    transitions: ClassVar = frozenset(
        {
            TransitionName.APPROVE_STAGING,
            TransitionName.APPROVE_PRODUCTION,
            TransitionName.PROMOTE_PRODUCTION,
        }
    )
    maximum_age_days: float = 30.0  # of what was found of a table in a database; the content of an artifact is fixed

    def judge(self, case: Case) -> Verdict:
        # Absent from evidence that was gathered before there were expectations, and where no dataset has any.
        found = case.evidence.subject.get("dataValidations", ())
        if not found:
            return Passed("No dataset of its evaluation suites has expectations.")
        broken = [
            f"Suite {one['suiteName']!r}: {failure['sentence']}."
            for one in found
            for failure in one["failures"]
            if failure["severity"] == "critical"
        ]
        undecided = [f"Suite {one['suiteName']!r}: {why}" for one in found if (why := self._undecided(one, case.as_of))]
        if broken:
            return Failed((*broken, *undecided))
        if undecided:
            return Unknown(" ".join(undecided))
        warnings = [
            f"Suite {one['suiteName']!r}, a warning: {failure['sentence']}."
            for one in found
            for failure in one["failures"]
        ]
        checked = sum(one["expectations"]["checked"] for one in found)
        return Passed(" ".join([f"{len(found)} dataset(s) met {checked - len(warnings)} expectations.", *warnings]))

    def _undecided(self, found: Mapping[str, Any], as_of: datetime) -> str | None:
        if found["status"] == "missing":
            return "the data have not been validated against the newest expectations."
        if found["status"] not in ("passed", "failed"):
            return f"the data could not be validated: {found['reason'] or 'no reason was given.'}"
        if found["executedAt"] is None:
            return None
        age = as_of - datetime.fromisoformat(found["executedAt"])
        if age > timedelta(days=self.maximum_age_days):
            return f"the table was validated {age.days} days ago, more than {self.maximum_age_days:g}."
        return None

    @classmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        ask = TransitionName.APPROVE_STAGING

        def case(**changes: Any) -> Case:
            return sample_case(ask, subject={"dataValidations": [sample_validation(**changes)]})

        failure = {
            "type": "expect_column_values_to_not_be_null",
            "severity": "critical",
            "sentence": "column 'age': 812 of 100,000 values are null; at most 0 % allowed",
        }
        return (
            (sample_case(ask), case(), case(failures=[{**failure, "severity": "warning"}])),
            (
                case(status="failed", failures=[failure]),
                case(status="missing"),
                case(status="error", reason="It needs more memory than is allowed."),
                case(source="postgresql", executedAt="2025-11-01T00:00:00Z"),
            ),
        )


def sample_validation(**changes: Any) -> dict[str, Any]:
    return {
        "suiteId": "s1",
        "suiteName": "holdout",
        "datasetId": "d1",
        "datasetSha256": "d" * 64,
        "expectations": {"number": 1, "digest": "sha256:" + "e" * 64, "checked": 12},
        "source": "artifact",
        "status": "passed",
        "reason": None,
        "failures": [],
        "executedAt": None,
        **changes,
    }
