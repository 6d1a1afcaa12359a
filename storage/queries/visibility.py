"""What the caller may see, as a condition of the SQL that reads it.

An asset points to its access rule, and there are few rules: a list keeps the assets whose rule is among those that
the caller's reach covers. Nothing else is read, counted or searched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from governance.access.principal import Principal
from governance.access.reach import Reach, reach_of
from governance.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Visible:
    """A condition on `column`, the access rule of an asset, and the values of its parameters. besides: a condition of
    the statement under which a row is shown without an asset.
    """

    column: str
    condition: str
    values: dict[str, Any] = field(default_factory=dict)
    besides: str | None = None

    @property
    def listed(self) -> str:
        """For many assets: the rules are looked through first, and counting needs an index alone."""
        return self._or(f"{self.column} = any(array(select r.id from access_rules r where {self.condition}))")

    @property
    def sql(self) -> str:
        """For one asset: only its own rule is looked at."""
        return self._or(f"{self.column} in (select r.id from access_rules r where {self.condition})")

    def _or(self, condition: str) -> str:
        return condition if self.besides is None else f"({condition} or {self.besides})"


# By which permissions each kind of asset may be read; any of them will do.
MODEL = ("model:read",)
HISTORY = ("model:read", "provenance:read")
DATASET = ("dataset:read",)
TRAFFIC = ("model:read", "deployment:read")
VALIDATION = ("model:read", "provenance:read", "monitoring:read")
PLATFORM = "monitoring:read"  # what is about no asset, such as a night that was missed


def visible(principal: Principal | None, permissions: tuple[str, ...], column: str, *, named: str = "see") -> Visible:
    """Raises Forbidden when the caller has none of the permissions anywhere.

    None stands for the answer to a write that was allowed: whoever may write something is shown what they wrote.
    named: how the names of the parameters begin; two conditions in one statement need two of these.
    """
    if principal is None:
        return Visible(column, "true")
    key = (principal.access_key, permissions, column, named)
    known = _known.get(key)
    if known is None:
        known = _visible(principal, permissions, column, named)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = known
    return known


def visible_at_all(
    principal: Principal | None, permissions: tuple[str, ...], column: str, *, named: str = "see"
) -> Visible:
    """The same for a part of an answer: without the permissions the part is not shown, and nothing is refused."""
    if principal is not None and not reach_of(principal, *permissions):
        return Visible(column, "false")
    return visible(principal, permissions, column, named=named)


_MOST_KNOWN = 10_000
_known: dict[tuple[object, ...], Visible] = {}


def _visible(principal: Principal, permissions: tuple[str, ...], column: str, named: str) -> Visible:
    reaches = reach_of(principal, *permissions)
    if not reaches:
        raise Forbidden(
            f"Reading this is not allowed for {principal.name}: it takes {' or '.join(permissions)}.",
            details={"permission": list(permissions)},
        )
    clauses: list[str] = []
    values: dict[str, Any] = {}
    for number, reach in enumerate(dict.fromkeys(reaches)):
        clause, own = _condition(reach, f"{named}{number}_")
        clauses.append(f"({clause})")
        values |= own
    return Visible(column, " or ".join(clauses), values)


def _condition(reach: Reach, prefix: str) -> tuple[str, dict[str, Any]]:
    """`Reach.covers` on the columns of a rule `r`."""
    values: dict[str, Any] = {}

    def value(name: str, given: Any) -> str:
        values[prefix + name] = sorted(given) if isinstance(given, frozenset) else given
        return f"%({prefix}{name})s" + ("::text[]" if isinstance(given, frozenset) else "")

    clauses = []
    if reach.never:
        clauses.append(f"not r.restricted_groups && {value('never', reach.never)}")
    if reach.workspace_context is not None:
        clauses.append(f"r.workspace = {value('only', reach.workspace_context)}")
    if not reach.across:
        near = [f"r.readers && {value('groups', reach.groups)}"]
        if reach.public:
            near.append("r.access_level = 0")
        clauses.append(f"({' or '.join(near)})")
    if not reach.everything:
        clauses.append(f"r.access_level <= {value('level', int(reach.level))}")
        clauses.append(f"r.clearance_level <= {value('clearance', reach.clearance)}")
        if not (reach.across and reach.senior):
            clauses.append(f"(not r.sensitive or r.readers && {value('senior', reach.senior)})")
        for place in ("workspace", "department", "project"):
            mine = getattr(reach, place)
            clauses.append(f"(r.{place} is null or r.{place} = {value(place, mine)}::text)")
    return " and ".join(clauses) or "true", values
