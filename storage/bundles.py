"""Exporting the evidence of a request: one snapshot of the database under one signed checkpoint."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from governance.access.principal import Principal
from governance.audit.checkpoint import Checkpoint
from governance.audit.merkle import leaf_hash
from governance.audit.note import InvalidNoteError, VerifierKey
from governance.audit.proofs import verify_consistency, verify_inclusion
from governance.bundle.facts import Facts, Proof, SealedEntries
from governance.bundle.members import bundle, file_name
from governance.canonical import digest_of
from governance.errors import DependencyUnavailable, EvidenceBroken, EvidenceNotReady, InvalidInput
from storage.audit_log.checkpoints import CheckpointFiles
from storage.audit_log.keys import KeyFileError
from storage.audit_log.tree import IncompleteLogError, Tree, extend, forget
from storage.composition import Platform
from storage.queries.bundles import CLOSED, Reading, of_the_request
from storage.signing_keys import ring_of

log = logging.getLogger("gatehouse.evidence")


class NotSealedYet(DependencyUnavailable):
    """The request's entries are on their way under a checkpoint; it takes a second at most while the platform runs."""


def export(platform: Platform, caller: Principal, request_id: str, since: int | None = None) -> tuple[str, bytes]:
    """(file name, archive). `since`: a size of the audit log from which on the caller wants it proved consistent.

    Raises NotFound, EvidenceNotReady, EvidenceBroken, NotSealedYet, InvalidInput, DependencyUnavailable.
    """
    try:
        return _exported(platform, caller, request_id, since)
    except EvidenceBroken:
        # Either the log is broken, or the stored subtrees are those of another one, such as before a restore.
        with platform.engine.begin() as connection:
            forget(_driver(connection))
        return _exported(platform, caller, request_id, since)


def _exported(platform: Platform, caller: Principal, request_id: str, since: int | None) -> tuple[str, bytes]:
    files = CheckpointFiles(platform.settings.audit_directory)
    newest = files.snapshot().newest  # first: a checkpoint follows the commit of its entries, so the snapshot has them
    try:
        ring, signer = ring_of(platform.settings), platform.signer
    except (KeyFileError, OSError) as error:
        log.error("the signing key cannot be used: %s", error)
        raise DependencyUnavailable(
            "The signing key cannot be used; the platform's log tells why.", details={"dependency": "signing key"}
        ) from error
    believed = ring.believed
    try:
        seal = Checkpoint.opened(newest, believed) if newest is not None else None
    except InvalidNoteError as error:
        raise EvidenceBroken(
            f"The newest checkpoint is not valid: {error}. gatehouse audit verify tells more."
        ) from error
    if seal is not None:
        with platform.engine.begin() as connection:
            extend(_driver(connection), seal.size)
    with _snapshot(platform) as reading_on:
        reading = Reading(reading_on, caller)
        facts = _facts(reading, request_id)
        if since is not None and seal is not None and since > seal.size:
            raise InvalidInput(
                f"The audit log has {seal.size} signed entries, not {since}.", details={"field": "since"}
            )
        if seal is None or newest is None or reading.unsealed(request_id, seal.size):
            raise NotSealedYet(
                "The audit entries of this request are not under a signed checkpoint yet; try again in a moment.",
                details={"dependency": "audit"},
            )
        older = _older(files, believed, seal)
        try:
            sealed = _sealed(reading_on, reading, facts, newest, seal, older, since)
        except IncompleteLogError as error:
            raise EvidenceBroken(f"The audit log is not whole: {error}. gatehouse audit verify tells more.") from error
    return file_name(facts), bundle(facts, sealed, ring.public(), signer)


def _older(files: CheckpointFiles, believed: Sequence[VerifierKey], seal: Checkpoint) -> tuple[str, Checkpoint] | None:
    """The oldest of the recent checkpoints: what the newest one is shown to extend."""
    try:
        notes = files.recent()
    except OSError as error:  # a torn checkpoint log, which the newest checkpoint does not depend on
        log.warning("the checkpoint log cannot be read: %s", error)
        return None
    for note in notes:
        try:
            found = Checkpoint.opened(note, believed)
        except InvalidNoteError:
            continue  # for `gatehouse audit verify` to name
        if 0 < found.size < seal.size:
            return note, found
    return None


@contextmanager
def _snapshot(platform: Platform) -> Iterator[psycopg.Connection[Any]]:
    with platform.engine.connect() as plain:
        connection = plain.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield _driver(connection)


def _driver(connection: Any) -> psycopg.Connection[Any]:
    found: psycopg.Connection[Any] = connection.connection.driver_connection
    return found


def _facts(reading: Reading, request_id: str) -> Facts:
    request, evidence, verdicts, case = reading.request(request_id)
    if evidence is None:
        raise EvidenceNotReady(
            f"The evidence of this request is not frozen: it is {request['status']}.",
            details={"status": request["status"]},
        )
    if digest_of(evidence) != request["evidenceDigest"]:
        raise EvidenceBroken("The stored evidence is not the one that was decided about: its digest is another.")
    used = [item["evaluationId"] for item in evidence["subject"]["evaluations"] if item["evaluationId"]]
    evaluations = reading.evaluations(request_id, used)
    named = {item["suiteId"] for item in evidence["subject"]["evaluations"]} | {one["suiteId"] for one in evaluations}
    suites = reading.suites(sorted(named))
    datasets, closed = reading.datasets(sorted({one["datasetId"] for one in suites} - {None}))
    return Facts(
        request=request,
        evidence=evidence,
        verdicts=verdicts or [],
        case=None if case is None else {**case, "evidence": evidence},
        approvals=reading.approvals(request_id),
        evaluations=evaluations,
        suites=suites,
        datasets=[*datasets, *({"id": one, "name": CLOSED, "group": None, "sha256": None} for one in closed)],
    )


def _sealed(
    connection: psycopg.Connection[Any],
    reading: Reading,
    facts: Facts,
    newest: str,
    seal: Checkpoint,
    older: tuple[str, Checkpoint] | None,
    since: int | None,
) -> SealedEntries:
    request = facts.request
    outcome = request["outcome"] or {}
    subjects = [request["id"], request["versionId"], request["modelId"]]
    subjects += [one for one in ((outcome.get("alongside") or {}).get("versionId"), outcome.get("findingId")) if one]
    tree = Tree(connection)
    entries = []
    for seq, text, leaf in reading.entries(subjects, seal.size):
        if leaf_hash(text.encode()) != leaf:
            raise EvidenceBroken(f"Audit entry {seq} is not what was written. gatehouse audit verify tells more.")
        if not of_the_request(json.loads(text), request):
            continue
        path = tree.inclusion(seq, seal.size)
        if not verify_inclusion(leaf, seq, seal.size, path, seal.root):
            raise EvidenceBroken(f"Audit entry {seq} is not under the signed root. gatehouse audit verify tells more.")
        entries.append((seq, text, leaf, path))
    proofs = None
    if older is not None:
        note, before = older
        proof = Proof(before.size, tree.consistency(before.size, seal.size))
        if not verify_consistency(before.size, seal.size, before.root, seal.root, proof.path):
            raise EvidenceBroken(
                "The audit log does not extend what was signed before. gatehouse audit verify tells more."
            )
        proofs = (note, proof)
    asked = None
    if since is not None:
        asked = Proof(since, tree.consistency(since, seal.size))
        if not verify_consistency(since, seal.size, tree.root(0, since), seal.root, asked.path):
            raise EvidenceBroken("The audit log's subtrees do not lead to the signed root.")
    return SealedEntries(
        entries=entries,
        checkpoint=newest,
        size=seal.size,
        root=seal.root,
        older=proofs,
        since=asked,
    )
