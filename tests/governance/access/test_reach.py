"""Lists reach exactly as far as single decisions, and both exactly as far as the documents say."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import fields

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance.access.decisions import decide
from governance.access.principal import Principal
from governance.access.reach import reach_of
from governance.access.roles import PackagePermission, Role
from governance.access.rules import AccessLevel, AccessRule
from tests.governance.access.plain import READINGS, may_read
from tests.governance.access.random_access import GROUPS, PLACES, plain, principals, rules


def in_reach(principal: Principal, permission: str, rule: AccessRule) -> bool:
    return any(reach.covers(rule) for reach in reach_of(principal, permission))


def check(principal: Principal, permission: str, rule: AccessRule) -> bool:
    """The three agree; what they say."""
    expected = may_read(plain(principal), permission, rule)
    decision = decide(principal, permission, rule)
    listed = in_reach(principal, permission, rule)
    assert (decision.allowed, listed) == (expected, expected), (
        f"the documents say {expected}, Cedar {decision.allowed} ({decision.reason}), lists {listed}: "
        f"{permission} by {_told(principal)} of {_told(rule)}"
    )
    return expected


def _told(value: Principal | AccessRule) -> str:
    """What is not as it is by default."""
    named = ((one.name, getattr(value, one.name), one.default) for one in fields(value))
    return ", ".join(f"{name}={found!r}" for name, found, usual in named if found != usual and found)


def somebody(*roles: Role, epoch: int, **more: object) -> Principal:
    given: dict[str, object] = {"level": AccessLevel.CONFIDENTIAL, **more}
    return Principal("somebody", "somebody", frozenset(roles), epoch=-epoch, **given)  # type: ignore[arg-type]


CLINIC = frozenset({"clinic"})
AUDITING_SCIENTIST = somebody(
    Role.AUDITOR, Role.DATA_SCIENTIST, epoch=1, groups=("audit",), every_group=CLINIC | {"audit"},
    senior_groups=frozenset({"audit"}),
)  # fmt: skip


@settings(max_examples=2_500)
@given(principals(), st.sampled_from(READINGS), rules())
@example(AUDITING_SCIENTIST, "model:read", AccessRule(("clinic",), sensitive=True))
@example(somebody(epoch=2, every_group=CLINIC), "policy:read", AccessRule(("clinic",)))
def test_lists_decisions_and_documents_agree(principal: Principal, permission: str, rule: AccessRule) -> None:
    check(principal, permission, rule)


@pytest.mark.prove
@pytest.mark.timeout(1800)
@settings(max_examples=60_000)
@given(principals(), st.sampled_from(READINGS), rules())
def test_they_agree_about_many(principal: Principal, permission: str, rule: AccessRule) -> None:
    check(principal, permission, rule)


@pytest.mark.parametrize("permission", ["model:read", "model:download", "provenance:read", "dataset:read"])
def test_every_combination_of_what_a_rule_turns_on(permission: str) -> None:
    """Each reading of a table, at everyone near it: no answer is rare here."""
    numbers = random.Random(20261120)
    answers: Counter[bool] = Counter()
    for epoch in range(60):
        groups = frozenset(numbers.sample(GROUPS, numbers.randint(0, 2)))
        principal = somebody(
            *numbers.sample(list(Role), numbers.randint(0, 2)),
            epoch=1_000 * (1 + READINGS.index(permission)) + epoch,
            every_group=groups,
            groups=tuple(sorted(groups)),
            senior_groups=groups if epoch % 2 else frozenset(),
            group_permissions=dict.fromkeys(groups, ("model:*",)) if epoch % 3 == 0 else {},
            package_permissions=frozenset(
                {PackagePermission.SEARCH, PackagePermission.DOWNLOAD} if epoch % 5 == 0 else ()
            ),
            workspace=numbers.choice((None, *PLACES)),
            group_context=min(groups) if groups and epoch % 7 == 0 else None,
        )
        for sensitive in (False, True):
            for level in AccessLevel:
                owner, reader = numbers.sample(GROUPS, 2)
                place = numbers.choice((None, None, *PLACES))
                shut = (numbers.choice(GROUPS),) if numbers.random() < 0.2 else ()
                rule = AccessRule((owner,), level, (reader,), shut, sensitive, workspace=place)
                answers[check(principal, permission, rule)] += 1
    assert min(answers.values()) >= 40, answers
