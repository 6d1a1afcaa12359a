"""The shipped policies: one module per rule, listed here.

A policy is a frozen dataclass: its fields are the parameters that an administrator may change (each change is a new
version), `judge` looks at a `Case` and answers with a verdict. Every policy ships cases that it allows and cases that
it denies; a test runs them, so that a rule that never fires cannot be added. New policies are a module and one line
in `POLICIES`; a general engine of user-written rules plugs in behind `Policy`.
"""

from __future__ import annotations

from governance.policies.approval_binding import ApprovalStillBinds
from governance.policies.approvals import ApprovalsByRiskTier
from governance.policies.approvers_stand import ApproversStillStand
from governance.policies.artifact_integrity import ArtifactIntegrity
from governance.policies.base import ActivePolicy, Policy, build_policy
from governance.policies.completeness import Completeness
from governance.policies.data_validation import DataMeetExpectations
from governance.policies.decided_in_time import DecidedInTime
from governance.policies.evaluation import EvaluationPassed
from governance.policies.freeze_windows import FreezeWindows
from governance.policies.incumbent import NoWorseThanIncumbent
from governance.policies.open_findings import NoOpenFindings
from governance.policies.periodic_review import ApprovalReviewed
from governance.policies.reasons import ReasonGiven
from governance.policies.scope import Enforcement, Scope
from governance.policies.serving import NotServing, PreviousVersionRestorable
from governance.policies.wait_timer import WaitTimer
from governance.policies.weight_format import SafeWeightFormat

# The order is the order of the story on a run page.
POLICIES: tuple[type[Policy], ...] = (
    ReasonGiven,
    Completeness,
    ArtifactIntegrity,
    SafeWeightFormat,
    DataMeetExpectations,
    EvaluationPassed,
    NoWorseThanIncumbent,
    ApprovalStillBinds,
    ApproversStillStand,
    PreviousVersionRestorable,
    NotServing,
    NoOpenFindings,
    ApprovalReviewed,
    DecidedInTime,
    ApprovalsByRiskTier,
    WaitTimer,
    FreezeWindows,
)

BY_NAME: dict[str, type[Policy]] = {policy.name: policy for policy in POLICIES}

__all__ = ["BY_NAME", "POLICIES", "ActivePolicy", "Enforcement", "Policy", "Scope", "build_policy"]
