"""The lifecycle of a model version: its rules in prose, then the table that enforces them.

1.  A version is born a `draft`. Nine states exist and no others; `retired` is the only one without a way out.
2.  `submit` hands a draft, or one sent back, to the reviewers.
3.  `evaluate` runs the evaluation suites and moves nothing; everything but a retired version can be evaluated.
4.  `request_changes` is how a reviewer sends a version back, with a reason, before it is in production.
5.  `approve_staging` and `approve_production` are decisions of people about exact content. They deploy nothing.
6.  `deploy_staging` and `promote_production` act on such a decision. They decide nothing anew, but refuse when
    what was approved is not what is there.
7.  A model has at most one version in production. `promote_production` makes the incumbent `deprecated`
    in the same transaction.
8.  `rollback` is asked of the version in production: it goes to `changes_requested`, and the version that it
    displaced most recently returns from `deprecated` to `production`, in the same transaction.
9.  `deprecate` takes a version out of production without a successor; `retire` ends a version that serves nothing.
10. Emergency paths are transitions of this table with gates of their own, never a flag that skips gates.

The database holds the same edges (`lifecycle_edges`) and refuses any other, also to hand-written SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from governance.errors import IllegalTransition, InvalidInput


class VersionState(StrEnum):
    """The nine states (governance-design, Version Entity)."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED_STAGING = "approved_staging"
    STAGING = "staging"
    APPROVED_PROD = "approved_prod"
    PRODUCTION = "production"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class TransitionName(StrEnum):
    SUBMIT = "submit"
    EVALUATE = "evaluate"
    REQUEST_CHANGES = "request_changes"
    APPROVE_STAGING = "approve_staging"
    DEPLOY_STAGING = "deploy_staging"
    APPROVE_PRODUCTION = "approve_production"
    PROMOTE_PRODUCTION = "promote_production"
    ROLLBACK = "rollback"
    DEPRECATE = "deprecate"
    RETIRE = "retire"


S, T = VersionState, TransitionName

# States in which artifacts and metadata may still change. A change after an approval voids the approval;
# from production on the content is what people were promised and a new version is the way to change it.
EDITABLE_STATES = frozenset({S.DRAFT, S.SUBMITTED, S.CHANGES_REQUESTED, S.APPROVED_STAGING, S.STAGING, S.APPROVED_PROD})


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table. `target` None: the state stays. `permission`: what opening a request takes."""

    name: TransitionName
    sources: frozenset[VersionState]
    target: VersionState | None
    permission: str
    outcome: str  # the name of the successful end of the run, e.g. "Promoted"
    needs_approval: bool = False
    needs_reason: bool = False
    bound_to: TransitionName | None = None  # the approval whose content this transition carries out
    environment: str | None = None

    @property
    def deployment(self) -> str:
        """Name of the Prefect flow and deployment: the transition in kebab case."""
        return self.name.value.replace("_", "-")


TRANSITIONS: dict[TransitionName, Transition] = {
    row.name: row
    for row in (
        Transition(
            T.SUBMIT, frozenset({S.DRAFT, S.CHANGES_REQUESTED}), S.SUBMITTED, "model:submit", outcome="Submitted"
        ),
        Transition(T.EVALUATE, frozenset(S) - {S.RETIRED}, None, "model:evaluate", outcome="Evaluated"),
        Transition(
            T.REQUEST_CHANGES,
            frozenset({S.SUBMITTED, S.APPROVED_STAGING, S.STAGING, S.APPROVED_PROD}),
            S.CHANGES_REQUESTED,
            "approval:request_changes",
            outcome="ChangesRequested",
            needs_reason=True,
        ),
        Transition(
            T.APPROVE_STAGING,
            frozenset({S.SUBMITTED}),
            S.APPROVED_STAGING,
            "model:request",
            outcome="ApprovedForStaging",
            needs_approval=True,
        ),
        Transition(
            T.DEPLOY_STAGING,
            frozenset({S.APPROVED_STAGING}),
            S.STAGING,
            "deployment:create",
            outcome="Staged",
            bound_to=T.APPROVE_STAGING,
            environment="staging",
        ),
        Transition(
            T.APPROVE_PRODUCTION,
            frozenset({S.STAGING}),
            S.APPROVED_PROD,
            "model:request",
            outcome="ApprovedForProduction",
            needs_approval=True,
        ),
        Transition(
            T.PROMOTE_PRODUCTION,
            frozenset({S.APPROVED_PROD}),
            S.PRODUCTION,
            "deployment:create",
            outcome="Promoted",
            bound_to=T.APPROVE_PRODUCTION,
            environment="production",
        ),
        Transition(
            T.ROLLBACK,
            frozenset({S.PRODUCTION}),
            S.CHANGES_REQUESTED,
            "production:rollback",
            outcome="RolledBack",
            needs_reason=True,
            environment="production",
        ),
        Transition(
            T.DEPRECATE,
            frozenset({S.PRODUCTION}),
            S.DEPRECATED,
            "production:deprecate",
            outcome="Deprecated",
            needs_reason=True,
        ),
        Transition(
            T.RETIRE,
            frozenset({S.DRAFT, S.CHANGES_REQUESTED, S.STAGING, S.DEPRECATED}),
            S.RETIRED,
            "model:retire",
            outcome="Retired",
        ),
    )
}

# Moves of the *other* version that a transition takes along (rules 7 and 8).
COMPANION_EDGES: dict[TransitionName, tuple[VersionState, VersionState]] = {
    T.PROMOTE_PRODUCTION: (S.PRODUCTION, S.DEPRECATED),
    T.ROLLBACK: (S.DEPRECATED, S.PRODUCTION),
}


def edges() -> frozenset[tuple[TransitionName, VersionState, VersionState]]:
    """Every (transition, from, to) that may be written; the migration copies this set into the database."""
    own = {(t.name, source, t.target) for t in TRANSITIONS.values() if t.target for source in t.sources}
    return frozenset(own | {(name, *edge) for name, edge in COMPANION_EDGES.items()})


def transition_named(name: str) -> Transition:
    """Raises InvalidInput when the lifecycle has no transition of that name."""
    try:
        return TRANSITIONS[TransitionName(name)]
    except ValueError:
        known = ", ".join(TransitionName)
        raise InvalidInput(f"There is no transition {name!r}. Known are: {known}.") from None


def plan(state: VersionState, name: TransitionName) -> Transition:
    """The row for leaving `state` by `name`. Raises IllegalTransition, naming what is possible instead."""
    transition = TRANSITIONS[name]
    if state not in transition.sources:
        possible = sorted(t.name for t in TRANSITIONS.values() if state in t.sources)
        raise IllegalTransition(
            f"A version in state {state.value!r} cannot go through {name.value!r}.",
            details={"state": state.value, "transition": name.value, "possible": possible},
        )
    return transition
