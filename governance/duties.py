"""Separation of duties, computed from facts: who took part in making something does not decide about it.

Four relations count, whatever account was used for them: having asked for it, having written the version (its row, its
metadata or one of its artifacts), having trained it (recorded in its lineage), and having written what it was evaluated
with (a suite, or the dataset of one). What a service account did, the person behind it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

REQUESTER, AUTHOR, TRAINER, EVALUATION_AUTHOR = "requester", "author", "trainer", "evaluation_author"


@dataclass(frozen=True, slots=True)
class Involvement:
    """person_id: the person behind the account. what: the fact, to follow a name, e.g. "trained version 1.2.0"."""

    person_id: str
    relation: str
    what: str


def conflicts(involved: Iterable[Involvement], person_id: str) -> tuple[Involvement, ...]:
    """Why this person cannot decide; empty when they can."""
    return tuple(one for one in involved if one.person_id == person_id)


def in_words(found: Sequence[Involvement]) -> str:
    """E.g. "wrote version 1.2.0 and trained version 1.2.0"."""
    return " and ".join(dict.fromkeys(one.what for one in found))


def come_from(of_people: Sequence[Sequence[str]], needed: int, lines: Mapping[str, Sequence[str]]) -> bool:
    """Do these people speak for `needed` groups, when each speaks for one of theirs?

    Two people of one group are one group, and so are a group and one above it: a second name for the same people
    does not make a second opinion. lines: each group with those above it, itself included.
    """
    return any(_speak_for(chosen, lines, []) for chosen in combinations(of_people, needed))


def _speak_for(people: Sequence[Sequence[str]], lines: Mapping[str, Sequence[str]], taken: list[str]) -> bool:
    if not people:
        return True
    for group in people[0]:
        if not any(_related(group, other, lines) for other in taken) and _speak_for(people[1:], lines, [*taken, group]):
            return True
    return False


def _related(one: str, other: str, lines: Mapping[str, Sequence[str]]) -> bool:
    return one in lines.get(other, (other,)) or other in lines.get(one, (one,))
