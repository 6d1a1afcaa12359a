"""What a bundle is made of, as the registry read it in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from governance.audit.note import VerifierKey
from governance.signing import Envelope

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """request: {"id", "modelId", "versionId", "modelName", "group", "version", "transition", "status",
    "requesterId", "requestedBy", "reason", "createdAt", "settledAt", "evidenceDigest", "outcome"}.
    case: as it was judged, with its evidence; None until the request is settled by its gates.
    approvals: {"id", "requestId", "approverId", "approverName", "decision", "comment", "evidenceDigest", "at",
    "envelope"}, oldest first. evaluations, suites, datasets: rows as the API shows them.
    """

    request: Json
    evidence: Json
    verdicts: Sequence[Json]
    case: Json | None
    approvals: Sequence[Json]
    evaluations: Sequence[Json]
    suites: Sequence[Json]
    datasets: Sequence[Json]

    @property
    def subject(self) -> Json:
        found: Json = self.evidence["subject"]
        return found


@dataclass(frozen=True)
class Proof:
    """That the tree of `first` leaves is the beginning of the one that the checkpoint signs (RFC 6962, 2.1.2)."""

    first: int
    path: Sequence[bytes]

    def to_json(self) -> dict[str, Any]:
        return {"first": self.first, "path": [node.hex() for node in self.path]}


@dataclass(frozen=True)
class SealedEntries:
    """Audit entries, each (number, stored text, leaf hash, audit path), under a signed checkpoint of `size` entries.

    older: an earlier signed checkpoint and the proof that the newer one extends it. since: the same from a size that
    the caller knows.
    """

    entries: Sequence[tuple[int, str, bytes, Sequence[bytes]]]
    checkpoint: str
    size: int
    root: bytes
    older: tuple[str, Proof] | None = None
    since: Proof | None = None


@dataclass(frozen=True)
class PublicKeys:
    """current: what signs this bundle. retired: what signed before. rotations: how one vouches for the next."""

    log: str
    current: VerifierKey
    retired: Sequence[VerifierKey] = ()
    rotations: Sequence[Envelope] = ()
