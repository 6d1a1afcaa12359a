"""Everything that the registry refuses, as one tree.

GovernanceError
├── InvalidInput              what was sent cannot be understood or breaks a stated limit
│   └── FilterSyntax          a filter that cannot be read (FILTER_001 of the catalog), and its special cases
│       └── UnsupportedFilter, FilterOutOfRange, TooManyFilters, ConflictingFilters
├── UnlikeChanges             one decision about several requests whose changes are not the same
├── AuthenticationFailed      nobody we know
├── CallsExhausted            the token is known, its calls are used up
├── Forbidden                 known, but may not
│   ├── SelfApproval          the requester judged their own request
│   ├── ConflictOfInterest    somebody who took part in making it judged it
│   └── HistoryForbidden      reading history takes a permission of its own
├── NotFound                  absent, or not the caller's to see
├── NotConfigured             this installation does not offer it
├── Conflict                  understood, but the present state does not allow it
│   ├── Duplicate
│   ├── IllegalTransition     the lifecycle has no such edge
│   ├── RequestOpen           another request moves this version already
│   ├── RequestClosed         the request has its outcome
│   ├── VersionFrozen         content may no longer change in this state
│   ├── PolicyRequired        without this policy something could move unjudged
│   ├── EvidenceNotReady      the request has nothing frozen yet that could be proved
│   ├── EvidenceBroken        what is stored is not what was decided about, or not what the audit log was signed with
│   ├── ApprovalInvalidated   what was approved is not what is there now; carries the difference
│   ├── HardGate              an override was asked of a gate that nobody overrides
│   ├── NoDriftReference      nothing is pinned that live traffic could be compared with
│   ├── BreakGlassRefused     break-glass for something else than taking a version out of production
│   └── ChainBroken           the audit log is not the one that was signed
├── RevisionMismatch          If-Match named an older revision
├── RevisionRequired          a change without If-Match
├── IdempotencyMismatch       the same key with another request
├── TooManyAttempts           the account or the address failed to sign in too often; `details.retryAfter` seconds
├── RateLimited               more calls than one caller may make; `details.retryAfter` seconds
├── SignInBusy                more people sign in than passwords can be checked; `details.retryAfter` seconds
└── DependencyUnavailable     somebody we need does not answer; trying again is right

Refusals inside a judgement are values (`governance.verdicts`); these are for callers who asked the impossible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class GovernanceError(Exception):
    """Root of all refusals. `message` is a sentence for people, `details` is JSON for programs."""

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})


class InvalidInput(GovernanceError): ...


class FilterSyntax(InvalidInput): ...


class UnsupportedFilter(FilterSyntax): ...


class FilterOutOfRange(FilterSyntax): ...


class TooManyFilters(FilterSyntax): ...


class ConflictingFilters(FilterSyntax): ...


class UnlikeChanges(GovernanceError): ...


class AuthenticationFailed(GovernanceError): ...


class CallsExhausted(GovernanceError): ...


class Forbidden(GovernanceError): ...


class SelfApproval(Forbidden): ...


class ConflictOfInterest(Forbidden): ...


class HistoryForbidden(Forbidden): ...


class NotFound(GovernanceError):
    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"There is no {kind} {identifier!r}.", details={"kind": kind, "id": identifier})
        self.kind = kind


class NotConfigured(GovernanceError): ...


class Conflict(GovernanceError): ...


class Duplicate(Conflict): ...


class IllegalTransition(Conflict): ...


class RequestOpen(Conflict): ...


class RequestClosed(Conflict): ...


class VersionFrozen(Conflict): ...


class PolicyRequired(Conflict): ...


class HardGate(Conflict): ...


class EvidenceNotReady(Conflict): ...


class EvidenceBroken(Conflict): ...


class ApprovalInvalidated(Conflict): ...


class ChainBroken(Conflict): ...


class NoDriftReference(Conflict): ...


class BreakGlassRefused(Conflict): ...


class RevisionMismatch(GovernanceError): ...


class RevisionRequired(GovernanceError): ...


class IdempotencyMismatch(GovernanceError): ...


class TooManyAttempts(GovernanceError): ...


class RateLimited(GovernanceError): ...


class SignInBusy(GovernanceError): ...


class DependencyUnavailable(GovernanceError): ...
