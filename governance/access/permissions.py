"""Every permission there is, and the wildcards that lists of permissions may use.

A permission is `noun:verb`. The nouns before the blank line are those of the catalog (Authentication & Authorization);
the others are what governing needs. `noun:*`, `*:read` and `*` stand for what they match among these and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

from governance.errors import InvalidInput

_CRUD = ("create", "read", "update", "delete")

_VERBS: dict[str, tuple[str, ...]] = {
    "dataset": _CRUD,
    "model": (*_CRUD, "download", "evaluate", "submit", "request", "retire", "share"),
    "experiment": _CRUD,
    "pipeline": (*_CRUD, "run"),
    "feature": _CRUD,
    "endpoint": (*_CRUD, "invoke"),
    "deployment": _CRUD,
    "monitoring": _CRUD,
    "marketplace": _CRUD,
    "rating": _CRUD,
    "favorite": _CRUD,
    "provenance": ("read",),
    "audit": ("read", "manage"),  # managing: legal holds
    "compliance": ("read",),
    "lineage": ("read",),
    #
    "package": ("search", "download", "upload"),
    "approval": ("decide", "request_changes"),
    "production": ("rollback", "deprecate"),
    "finding": ("create", "update"),  # reading one takes what reading its model takes
    "freeze": ("create", "read", "delete"),
    "policy": ("read", "update", "approve"),
    "group": _CRUD,
    "user": _CRUD,
    "dashboard": ("use",),  # not one of those that `*:read` gives: it shows every group's runs
    "self": ("read", "manage"),
}

PERMISSIONS: frozenset[str] = frozenset(f"{noun}:{verb}" for noun, verbs in _VERBS.items() for verb in verbs)

# What a group can hand to its members. Deciding, production and the administration of people are matters of roles.
GRANTABLE: frozenset[str] = frozenset(
    permission
    for permission in PERMISSIONS
    if permission.split(":")[0]
    not in {"approval", "production", "policy", "freeze", "group", "user"}
    | {"dashboard", "self", "audit", "compliance", "package"}
)

WILDCARDS: dict[str, frozenset[str]] = {
    "*": PERMISSIONS,
    "*:read": frozenset(p for p in PERMISSIONS if p.endswith(":read")),
    **{f"{noun}:*": frozenset(f"{noun}:{verb}" for verb in verbs) for noun, verbs in _VERBS.items()},
}


def compressed(permissions: Iterable[str]) -> tuple[str, ...]:
    """The shortest list of patterns that stands for these permissions, sorted."""
    left = set(permissions)
    if left == PERMISSIONS:
        return ("*",)
    found = []
    for pattern, matched in WILDCARDS.items():
        if pattern not in ("*", "*:read") and len(matched) > 1 and matched <= left:
            found.append(pattern)
            left -= matched
    return tuple(sorted([*found, *left]))


def expanded(patterns: Iterable[str]) -> frozenset[str]:
    """The permissions that the patterns stand for. Raises InvalidInput for one that matches nothing."""
    found: set[str] = set()
    for pattern in patterns:
        if pattern in PERMISSIONS:
            found.add(pattern)
        elif pattern in WILDCARDS:
            found |= WILDCARDS[pattern]
        else:
            raise InvalidInput(
                f"There is no permission {pattern[:100]!r}.",
                details={"field": "permissions", "known": sorted(PERMISSIONS)},
            )
    return frozenset(found)
