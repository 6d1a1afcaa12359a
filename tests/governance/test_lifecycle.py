"""The lifecycle against a second statement of the design's table, and against its prose rules."""

from __future__ import annotations

import itertools

import pytest

from governance.access.decisions import decide
from governance.access.principal import Principal
from governance.access.roles import Role
from governance.errors import IllegalTransition, InvalidInput
from governance.lifecycle import (
    COMPANION_EDGES,
    EDITABLE_STATES,
    TRANSITIONS,
    TransitionName,
    VersionState,
    edges,
    plan,
    transition_named,
)

STATES = [
    "draft",
    "submitted",
    "changes_requested",
    "approved_staging",
    "staging",
    "approved_prod",
    "production",
    "deprecated",
    "retired",
]

# Written from the table of the design, not from the code: transition, from, to ("=" is "unchanged").
_ANY = "draft submitted changes_requested approved_staging staging approved_prod production deprecated"
DESIGN = f"""
submit              draft changes_requested                                    submitted
evaluate            {_ANY}  =
request_changes     submitted approved_staging staging approved_prod           changes_requested
approve_staging     submitted                                                  approved_staging
deploy_staging      approved_staging                                           staging
approve_production  staging                                                    approved_prod
promote_production  approved_prod                                              production
rollback            production                                                 changes_requested
deprecate           production                                                 deprecated
retire              draft changes_requested staging deprecated                 retired
"""
ROWS = [line.split() for line in DESIGN.strip().splitlines()]
EXPECTED: dict[tuple[str, str], str] = {
    (source, name): source if target == "=" else target for name, *sources, target in ROWS for source in sources
}
NAMES = [row[0] for row in ROWS]


def test_nine_states_and_ten_transitions_and_no_others() -> None:
    assert [state.value for state in VersionState] == STATES
    assert sorted(name.value for name in TransitionName) == sorted(NAMES)
    assert set(TRANSITIONS) == set(TransitionName)


@pytest.mark.parametrize(("state", "name"), list(itertools.product(STATES, NAMES)))
def test_every_state_by_every_transition(state: str, name: str) -> None:
    expected = EXPECTED.get((state, name))
    if expected is None:
        with pytest.raises(IllegalTransition) as refusal:
            plan(VersionState(state), TransitionName(name))
        possible = sorted(other for (source, other) in EXPECTED if source == state)
        assert refusal.value.details == {"state": state, "transition": name, "possible": possible}
    else:
        row = plan(VersionState(state), TransitionName(name))
        assert (row.target.value if row.target else state) == expected


def test_the_other_version_that_moves_along() -> None:
    assert {name.value: tuple(s.value for s in edge) for name, edge in COMPANION_EDGES.items()} == {
        "promote_production": ("production", "deprecated"),
        "rollback": ("deprecated", "production"),
    }


def test_edges_are_the_moves_of_the_table_and_of_companions() -> None:
    own = {(name, source, target) for (source, name), target in EXPECTED.items() if name != "evaluate"}
    along = {("promote_production", "production", "deprecated"), ("rollback", "deprecated", "production")}
    assert {tuple(part.value for part in edge) for edge in edges()} == own | along


def test_only_retired_has_no_way_out() -> None:
    leaving = {source.value for row in TRANSITIONS.values() for source in row.sources}
    assert leaving == set(STATES) - {"retired"}


def test_only_two_transitions_lead_into_production_and_no_version_jumps_there() -> None:
    into = {(name.value, source.value) for name, source, target in edges() if target is VersionState.PRODUCTION}
    assert into == {("promote_production", "approved_prod"), ("rollback", "deprecated")}


def test_a_draft_is_five_moves_away_from_production() -> None:
    reached, steps = {VersionState.DRAFT}, 0
    while VersionState.PRODUCTION not in reached:
        reached |= {target for name, source, target in edges() if source in reached and name != "rollback"}
        steps += 1
    assert steps == 5


def test_people_approve_and_flows_deploy() -> None:
    approvals = {row.name.value for row in TRANSITIONS.values() if row.needs_approval}
    assert approvals == {"approve_staging", "approve_production"}
    for row in TRANSITIONS.values():
        assert not (row.needs_approval and row.environment), "approving deploys nothing"
    bound = {row.name.value: row.bound_to.value for row in TRANSITIONS.values() if row.bound_to}
    assert bound == {"deploy_staging": "approve_staging", "promote_production": "approve_production"}


def test_who_may_ask() -> None:
    builders, engineers = {"data_scientist", "ml_engineer"}, {"ml_engineer"}
    reviewers = {"approver", "validator"}

    def may(role: Role, permission: str) -> bool:
        return decide(Principal(role.value, role.value, frozenset({role})), permission).allowed

    asked_by = {
        name.value: {role.value for role in Role if may(role, row.permission)} - {"catalog_admin"}
        for name, row in TRANSITIONS.items()
    }
    assert asked_by == {
        "submit": builders,
        "evaluate": builders | reviewers,
        "request_changes": reviewers,
        "approve_staging": builders | reviewers,
        "deploy_staging": engineers,
        "approve_production": builders | reviewers,
        "promote_production": engineers,
        "rollback": reviewers,
        "deprecate": reviewers,
        "retire": builders | reviewers,
    }
    assert all(may(Role.CATALOG_ADMIN, row.permission) for row in TRANSITIONS.values())


def test_acting_against_a_version_needs_a_reason() -> None:
    assert {row.name.value for row in TRANSITIONS.values() if row.needs_reason} == {
        "request_changes",
        "rollback",
        "deprecate",
    }


def test_content_is_fixed_once_it_was_promised_to_people() -> None:
    assert {state.value for state in set(VersionState) - EDITABLE_STATES} == {
        "production",
        "deprecated",
        "retired",
    }


def test_every_transition_is_a_deployment_with_an_outcome_of_its_own() -> None:
    deployments = {row.deployment for row in TRANSITIONS.values()}
    assert deployments == {name.replace("_", "-") for name in NAMES}
    assert len({row.outcome for row in TRANSITIONS.values()}) == len(TRANSITIONS)


@pytest.mark.parametrize("name", ["", "PROMOTE_PRODUCTION", "promote-production", "force", "promote_production ", "\0"])
def test_there_is_no_other_transition(name: str) -> None:
    with pytest.raises(InvalidInput, match="promote_production"):
        transition_named(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_transition_is_found_by_its_name(name: str) -> None:
    assert transition_named(name).name.value == name
