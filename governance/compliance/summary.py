"""How a whole fleet stands, by framework."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any, get_args

from governance.compliance.assessment import Overall, assess
from governance.compliance.facts import Facts
from governance.compliance.frameworks import Framework
from governance.errors import InvalidInput

WORST_FIRST: tuple[Overall, ...] = ("not_met", "unknown", "upcoming", "met", "not_applicable")


def summary(framework: Framework, fleet: Sequence[Facts], on: date, *, complete: bool) -> dict[str, Any]:
    """The edition in effect, and how many versions stand how."""
    edition = framework.edition_on(on)
    counts = Counter(assess(framework, facts).status for facts in fleet)
    return {
        "framework": framework.id,
        "title": framework.title,
        "publisher": framework.publisher,
        "binding": framework.binding,
        "edition": edition.id if edition else None,
        "effectiveFrom": edition.effective_from.isoformat() if edition else None,
        "source": edition.source if edition else None,
        "sourceKind": edition.source_kind if edition else None,
        "note": edition.note if edition else f"No edition is in effect on {on}.",
        "bindsFrom": {name: found.isoformat() for name, found in edition.applies_from.items()} if edition else {},
        "versions": {status: counts[status] for status in get_args(Overall)},
        "complete": complete,
    }


def worst(statuses: Sequence[Overall]) -> Overall:
    return min(statuses, key=WORST_FIRST.index, default="not_applicable")


def moment(text: str | None, now: datetime) -> datetime:
    """The moment that is meant: a time with its zone, or the end of a day (UTC). Raises InvalidInput."""
    if text is None:
        return now
    try:
        if len(text) == len("2026-11-20"):
            return datetime.combine(date.fromisoformat(text), time.max, tzinfo=UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidInput(
            "asOf is a date such as 2026-11-20, or a time with its zone.", details={"field": "asOf"}
        ) from None
    return found.astimezone(UTC)
