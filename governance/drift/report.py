"""What is said about a version and its features (`judging` says when a feature has drifted)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance.canonical import digest_of, rendered
from governance.drift.sizes import ChiSquared, KolmogorovSmirnov, Psi, Wasserstein
from governance.drift.sketches import Counts, Sketch, sketch_from_json

LEAST_ROWS = 200
FALSE_DISCOVERIES = 0.01
MODERATE_PSI, SEVERE_PSI = 0.1, 0.25
MODERATE_SHIFT, SEVERE_SHIFT = 0.32, 0.5

STABLE, DRIFT, INSUFFICIENT = "stable", "drift", "insufficient_evidence"
NONE, MODERATE, SEVERE = "none", "moderate", "severe"


@dataclass(frozen=True, slots=True)
class DriftReference:
    """What a version was released on; never changes once pinned.

    sketches: in the order that live counts are kept in. omitted: columns of the dataset that have none.
    """

    version_id: str
    suite_id: str
    dataset_sha256: str
    outcomes_sha256: str | None
    sketches: tuple[Sketch, ...]
    omitted: int
    created_at: datetime

    @property
    def digest(self) -> str:
        return digest_of(self.content)

    @property
    def content(self) -> dict[str, Any]:
        return {
            "versionId": self.version_id,
            "suiteId": self.suite_id,
            "datasetSha256": self.dataset_sha256,
            "outcomesSha256": self.outcomes_sha256,
            "omitted": self.omitted,
            "sketches": [sketch.to_json() for sketch in self.sketches],
        }

    def identity(self) -> dict[str, Any]:
        return {
            "suite_id": self.suite_id,
            "dataset_sha256": self.dataset_sha256,
            "outcomes_sha256": self.outcomes_sha256,
            "digest": self.digest,
            "features": len(self.sketches),
            "omitted_columns": self.omitted,
            "pinned_at": rendered(self.created_at),
        }


def sketches_from_json(found: Sequence[Mapping[str, Any]]) -> tuple[Sketch, ...]:
    return tuple(sketch_from_json(one) for one in found)


@dataclass(frozen=True, slots=True)
class LiveCounts:
    """Of a span of time. by_position: counts of each sketch of the reference that was seen.

    observations: how many were sent. unknown: values of features that the reference does not have.
    """

    by_position: Mapping[int, Counts]
    observations: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """Of one feature or the prediction. The measures are None where there are too few rows, or no number line."""

    feature: str
    role: str
    kind: str
    n_reference: int
    n_live: int
    verdict: str
    severity: str
    psi: Psi | None
    chi_squared: ChiSquared | None
    ks: KolmogorovSmirnov | None
    wasserstein: Wasserstein | None
    p: float | None
    q: float | None
    smallest_detectable_psi: float | None
    missing_reference: float
    missing_live: float

    def to_json(self) -> dict[str, Any]:
        return {
            "feature": self.feature,
            "role": self.role,
            "kind": self.kind,
            "n_reference": self.n_reference,
            "n_live": self.n_live,
            "verdict": self.verdict,
            "severity": self.severity,
            "psi": self.psi
            and {
                "value": _shown(self.psi.value),
                "excess": _shown(self.psi.excess),
                "low": _shown(self.psi.interval.low),
                "high": _shown(self.psi.interval.high),
            },
            "chi_squared": self.chi_squared
            and {
                "statistic": _shown(self.chi_squared.statistic),
                "degrees_of_freedom": self.chi_squared.freedom,
                "cramers_v": _shown(self.chi_squared.size),
                "p": _shown(self.chi_squared.p),
            },
            "ks": self.ks and {"distance": _shown(self.ks.distance), "p": _shown(self.ks.p)},
            "wasserstein": self.wasserstein
            and {
                "value": _shown(self.wasserstein.value),
                "low": _shown(self.wasserstein.interval.low),
                "high": _shown(self.wasserstein.interval.high),
            },
            "p": _shown(self.p),
            "q": _shown(self.q),
            "smallest_detectable_psi": _shown(self.smallest_detectable_psi),
            "missing_share_reference": _shown(self.missing_reference),
            "missing_share_live": _shown(self.missing_live),
        }


@dataclass(frozen=True, slots=True)
class DriftReport:
    """features: those that drifted first, by severity and size; verdict: of the version as a whole."""

    version_id: str
    since: datetime
    until: datetime
    verdict: str
    severity: str
    observations: int
    unknown_values: int
    features: tuple[FeatureDrift, ...]
    reference: Mapping[str, Any]

    @property
    def drifted(self) -> tuple[FeatureDrift, ...]:
        return tuple(one for one in self.features if one.verdict == DRIFT)

    def sentence(self) -> str:
        """For people: a finding's title, a line of a report."""
        if self.verdict == INSUFFICIENT:
            return (
                f"{self.observations} observations arrived; nothing is said about drift with fewer than {LEAST_ROWS}."
            )
        if not self.drifted:
            return f"No feature has drifted from the reference in {self.observations} observations."
        names = ", ".join(repr(one.feature) for one in self.drifted[:3])
        more = f" and {len(self.drifted) - 3} more" if len(self.drifted) > 3 else ""
        return f"{len(self.drifted)} of {len(self.features)} have drifted ({self.severity}): {names}{more}."

    def to_json(self) -> dict[str, Any]:
        return {
            "version_id": self.version_id,
            "since": rendered(self.since),
            "until": rendered(self.until),
            "verdict": self.verdict,
            "severity": self.severity,
            "summary": self.sentence(),
            "observations": self.observations,
            "unknown_values": self.unknown_values,
            "features_drifted": len(self.drifted),
            "features": [one.to_json() for one in self.features],
            "reference": dict(self.reference),
            "rules": {
                "false_discovery_rate": FALSE_DISCOVERIES,
                "least_rows": LEAST_ROWS,
                "moderate": {"psi": MODERATE_PSI, "wasserstein": MODERATE_SHIFT},
                "severe": {"psi": SEVERE_PSI, "wasserstein": SEVERE_SHIFT},
            },
        }


def _shown(value: float | None) -> float | None:
    """Twelve significant digits: what two builds of one library agree on."""
    return None if value is None else float(f"{value:.12g}")
