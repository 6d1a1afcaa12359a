"""From the message of a failed inference to its type: one word of few, and never the message itself.

A message may hold what it must not, such as a customer's data or a password, so nothing of it is kept but a type:

1. The type is the text before the first colon, or all of it when there is none, without the spaces around it:
   `TimeoutError: after 30 s` and `timeout_error` are both `timeout_error`.
2. It must be an identifier of ASCII letters, digits and underscores (dots separate a module, of which the last part
   counts), at most 50 characters long and with at most three digits, since keys and tokens have more. It is written
   in snake_case. Everything else is `unclassified`.
3. A failure without a message is `unspecified`.
4. A version has at most 50 types, the first that came; later ones count as `other`.
"""

from __future__ import annotations

import re

LONGEST = 50
MOST_TYPES = 50
UNCLASSIFIED, UNSPECIFIED, OTHER = "unclassified", "unspecified", "other"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_DIGITS = 3
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def error_type(message: str | None) -> str:
    """The type of an error by the rules above, before the fourth."""
    if message is None or not message.strip():
        return UNSPECIFIED
    named = message[:200].partition(":")[0].strip()
    if not _IDENTIFIER.fullmatch(named):
        return UNCLASSIFIED
    name = named.rpartition(".")[2]
    if len(name) > LONGEST or sum(character.isdigit() for character in name) > _DIGITS:
        return UNCLASSIFIED
    found = re.sub("_+", "_", _WORD_STARTS.sub("_", name)).strip("_").lower()
    return found if found and len(found) <= LONGEST else UNCLASSIFIED


def admitted(known: frozenset[str], wanted: list[str]) -> frozenset[str]:
    """The types that are counted under their own name from now on: the fourth rule."""
    room = max(0, MOST_TYPES - len(known))
    return known | frozenset([one for one in dict.fromkeys(wanted) if one not in known and one != OTHER][:room])
