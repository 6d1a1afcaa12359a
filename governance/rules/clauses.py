"""Cutting a rule into its clauses: what stands between `&&` and `||`, and the facts that each speaks of.

The compiler of CEL keeps its syntax tree to itself, so the text is parsed a second time, by another implementation,
for its explanation only. What that one cannot read stays one clause.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
"""A variable and the keys after it: ("evaluation.taskMetrics", "accuracy")."""

MOST_CLAUSES = 64
_STRING = r"""[rRbB]{0,2}(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
_TOKENS = re.compile(rf"{_STRING}|//[^\n]*|[\[\](){{}}]")
_PARSING = threading.Lock()


@dataclass(frozen=True, slots=True)
class ClauseText:
    text: str
    paths: tuple[Path, ...]


def nesting(text: str) -> int:
    """How deep brackets stand in each other, those inside of strings and comments apart."""
    depth = deepest = 0
    for found in _TOKENS.findall(text):
        if found in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif found in ")]}":
            depth -= 1
    return deepest


def clauses_of(text: str, known: frozenset[str]) -> tuple[ClauseText, ...]:
    """In the order of the text, each once; never empty. `known`: the names of the variables."""
    tree = _parsed(text)
    if tree is None:
        return (ClauseText(text, ()),)
    found: dict[str, ClauseText] = {}
    for leaf in _leaves(tree):
        own = _source(leaf, text)
        if own is None:
            return (ClauseText(text, tuple(dict.fromkeys(_paths(tree, known)))),)
        found.setdefault(own, ClauseText(own, tuple(dict.fromkeys(_paths(leaf, known)))))
        if len(found) > MOST_CLAUSES:
            return (ClauseText(text, tuple(dict.fromkeys(_paths(tree, known)))),)
    return tuple(found.values())


def _source(leaf: Any, text: str) -> str | None:
    """Its part of the text. The parser forgets where `true`, `false` and `null` stand, and what borders on them."""
    start, end = getattr(leaf.meta, "start_pos", None), getattr(leaf.meta, "end_pos", None)
    if start is not None and end is not None:
        return text[start:end].strip()
    inner = leaf
    while len(_children(inner)) == 1 and _kind(inner) != "literal":
        inner = inner.children[0]
    return str(inner.children[0]) if _kind(inner) == "literal" else None


def variables_of(text: str, known: frozenset[str]) -> frozenset[str]:
    """Those that the text may speak of: all of them when it cannot be read here."""
    tree = _parsed(text)
    return known if tree is None else frozenset(path[0] for path in _paths(tree, known))


def _parsed(text: str) -> Any:
    import lark
    from celpy.celparser import CELParseError, CELParser

    with _PARSING:  # the parser is made on first use, one for the process
        try:
            return CELParser().parse(text)
        except (CELParseError, lark.exceptions.LarkError):
            return None


def _children(node: Any) -> list[Any]:
    return getattr(node, "children", [])


def _kind(node: Any) -> str:
    return str(getattr(node, "data", ""))


def _leaves(tree: Any) -> Iterator[Any]:
    waiting = [tree]
    while waiting:
        node = _unwrapped(waiting.pop())
        if _kind(node) in ("conditionalor", "conditionaland") and len(_children(node)) == 2:
            waiting.extend(reversed(_children(node)))
        else:
            yield node


def _unwrapped(node: Any) -> Any:
    """Through the levels that hold one thing only, and through parentheses; but a leaf stays as large as it is."""
    inner = node
    while len(_children(inner)) == 1 and hasattr(inner.children[0], "children"):
        inner = inner.children[0]
        if _kind(inner) in ("conditionalor", "conditionaland") and len(_children(inner)) == 2:
            return inner
    return node


def _paths(tree: Any, known: frozenset[str]) -> Iterator[Path]:
    """Every longest chain of names and constant keys that begins with a variable."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        chain = _chain(node)
        path = _as_path(chain, known) if chain else None
        if path is not None:
            yield path
            continue
        waiting.extend(reversed([child for child in _children(node) if hasattr(child, "children")]))


def _chain(node: Any) -> list[str] | None:
    """`a.b['c'].d` as its parts, None for anything else."""
    parts: list[str] = []
    while True:
        while _kind(node) in ("member", "primary") and len(_children(node)) == 1:
            node = node.children[0]
        step = _STEPS.get(_kind(node))
        if step is None:
            return [*_text_of(node), *reversed(parts)] if _kind(node) == "ident" else None
        key = step(node)
        if key is None:
            return None
        parts.append(key)
        node = node.children[0]


def _constant_key(node: Any) -> str | None:
    inner = node.children[1]
    while len(_children(inner)) == 1 and _kind(inner) != "literal":
        inner = inner.children[0]
    token = str(inner.children[0]) if _kind(inner) == "literal" else ""
    plain = re.fullmatch(r"""(['"])([^'"\\]*)\1""", token)
    return plain.group(2) if plain else None


_STEPS: dict[str, Callable[[Any], str | None]] = {
    "member_dot": lambda node: str(node.children[1]),
    "member_index": _constant_key,
}


def _text_of(node: Any) -> list[str]:
    return [str(node.children[0])]


def _as_path(chain: list[str], known: frozenset[str]) -> Path | None:
    for length in range(len(chain), 0, -1):
        name = ".".join(chain[:length])
        if name in known:
            return (name, *chain[length:])
    return None
