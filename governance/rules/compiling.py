"""Compiling a rule against the declared variables, and judging facts by it.

Everything here fails closed: only the value `true` of type bool passes. A run-time error comes back from CEL as a value
of type ERROR whose content is a text, and a text is true in Python; it is never looked at as a truth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from governance.errors import InvalidInput
from governance.rules.clauses import Path, clauses_of, nesting, variables_of
from governance.rules.variables import VARIABLES

LONGEST = 4_000
"""Characters of a rule: the parsers recurse."""

DEEPEST = 24
"""Brackets within brackets."""

_LONGEST_SHOWN = 200
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """line and column count from 1; both None where the whole rule is meant."""

    line: int | None
    column: int | None
    problem: str

    def to_json(self) -> dict[str, Any]:
        return {"line": self.line, "column": self.column, "problem": self.problem}


class RuleError(InvalidInput):
    """The text is no rule. `details.problems`: [{"line", "column", "problem"}]."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        first = problems[0]
        where = f"line {first.line}, column {first.column}: " if first.line is not None else ""
        super().__init__(
            f"The rule cannot be used: {where}{first.problem}",
            details={"problems": [one.to_json() for one in problems]},
        )
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a rule with its value, None where it has none (`error` says why), and the facts it speaks of."""

    text: str
    value: bool | None
    actual: Mapping[str, Any]
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        shown = {"clause": self.text, "value": self.value, "actual": dict(self.actual)}
        return shown if self.error is None else {**shown, "error": self.error}

    @property
    def sentence(self) -> str:
        if self.error is not None:
            return f"`{self.text}` cannot be judged: {self.error}"
        facts = ", ".join(f"{name} is {_in_words(value)}" for name, value in self.actual.items())
        return f"`{self.text}` is {str(self.value).lower()}" + (f" ({facts})." if facts else ".")


@dataclass(frozen=True, slots=True)
class Finding:
    """value: what the rule says, None when it could not be judged."""

    value: bool | None
    clauses: tuple[Clause, ...]
    error: str | None = None


class Rule:
    """A compiled rule. `variables`: the names it may speak of."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._expression = _compiled(text)
        known = frozenset(variable.name for variable in VARIABLES)
        self.variables = variables_of(text, known)
        self._clauses = [
            (part.text, self._expression if part.text == text else _compiled_part(part.text), part.paths)
            for part in clauses_of(text, known)
        ]

    def judge(self, facts: Mapping[str, Any]) -> Finding:
        """`facts`: the values of the variables (see `governance.rules.variables.facts_of`)."""
        activation = _environment().Activation(facts)
        value, error = _value(self._expression, activation)
        if error == _BUDGET:  # looking at every clause would cost as much again
            return Finding(None, (), error)
        clauses = tuple(self._explained(text, one, paths, activation, facts) for text, one, paths in self._clauses)
        if error is not None:
            named = next((clause.error for clause in clauses if clause.error is not None), None)
            return Finding(None, clauses, named or error)
        return Finding(value, clauses)

    def _explained(
        self, text: str, expression: Any, paths: tuple[Path, ...], activation: Any, facts: Mapping[str, Any]
    ) -> Clause:
        value, error = _value(expression, activation)
        actual: dict[str, Any] = {}
        missing: list[str] = []
        for path in paths:
            found = _walked(facts, path)
            if found is _MISSING:
                missing.append(".".join(path))
            else:
                actual[".".join(path)] = _shown(found)
        if error is not None and missing:
            error = f"the evidence has no {', '.join(missing)}."
        return Clause(text, value, actual, error)


@lru_cache(maxsize=2_000)
def compile_rule(text: str) -> Rule:
    """Raises RuleError, with line and column, for whatever is not a rule of type bool over the declared variables."""
    if len(text) > LONGEST:
        raise RuleError((Problem(None, None, f"a rule has at most {LONGEST:,} characters."),))
    if not text.isprintable() and not text.replace("\n", "").replace("\t", "").isprintable():
        raise RuleError((Problem(None, None, "a rule is printable text."),))
    if nesting(text) > DEEPEST:
        raise RuleError((Problem(None, None, f"brackets stand at most {DEEPEST} deep in each other."),))
    return Rule(text)


_BUDGET = "Iteration budget exceeded."
_POSITION = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")


def _compiled(text: str) -> Any:
    cel = _cel()
    try:
        expression = _environment().compile(text)
    except RuntimeError as refused:
        raise RuleError(_problems(str(refused))) from None
    kind = expression.return_type()
    if kind != cel.Type.BOOL:
        raise RuleError((Problem(1, 1, f"a rule is true or false; this is of type {kind.name().lower()}."),))
    return expression


def _compiled_part(text: str) -> Any:
    """A clause of a rule that is compiled already; alone it may be of any type. None if it makes no sense alone."""
    try:
        return _environment().compile(text)
    except RuntimeError:
        return None


def _problems(message: str) -> tuple[Problem, ...]:
    found = []
    for line, column, what in _POSITION.findall(message)[:20]:
        text = re.sub(r" \(in container ''\)|\s*\[[A-Z_]+\]$", "", what)
        known = int(line) > 0
        found.append(Problem(int(line) if known else None, int(column) if known else None, text[:300] + "."))
    return tuple(found) or (Problem(None, None, message.splitlines()[0][:300]),)


def _value(expression: Any, activation: Any) -> tuple[bool | None, str | None]:
    """(value, None) for a truth, (None, why) for everything else."""
    if expression is None:
        return None, "it makes sense only within the whole rule."
    try:
        found = expression.eval(activation)
    except RuntimeError as error:  # the budget of iterations is used up, for example
        return None, _plain(str(error))
    if found.type() == _cel().Type.BOOL:
        value = found.value()
        if value is True or value is False:
            return value, None
    return None, _plain(str(found.value()))


def _plain(message: str) -> str:
    """CEL's own words without its codes."""
    text = re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", message.splitlines()[0] if message else "no value")
    return (text[:_LONGEST_SHOWN] or "no value").rstrip(".") + "."


@cache
def _cel() -> Any:
    """Imported late: half a second that only those pay who judge by rules."""
    from cel_expr_python import cel  # type: ignore[import-untyped]

    return cel


@cache
def _environment() -> Any:
    """All variables, declared."""
    cel = _cel()
    kinds = {
        "string": cel.Type.STRING,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "list(string)": cel.Type.List(cel.Type.STRING),
        "list(map(string, dyn))": cel.Type.List(cel.Type.Map(cel.Type.STRING, cel.Type.DYN)),
        "map(string, double)": cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE),
        "map(string, dyn)": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    }
    return cel.NewEnv(variables={variable.name: kinds[variable.type] for variable in VARIABLES})


_MISSING = object()


def _walked(facts: Mapping[str, Any], path: Path) -> Any:
    value: Any = facts.get(path[0], _MISSING)
    for key in path[1:]:
        if not isinstance(value, Mapping) or key not in value:
            return _MISSING
        value = value[key]
    return value


def _shown(value: Any) -> Any:
    """The value itself where it is short; else what it is."""
    if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
        return value[:_LONGEST_SHOWN] + "…"
    if isinstance(value, list | tuple):
        plain = all(isinstance(item, str) and len(item) <= _LONGEST_SHOWN for item in value)
        return list(value) if plain and len(value) <= _MOST_SHOWN else f"({len(value)} items)"
    if isinstance(value, Mapping):
        plain = all(item is None or isinstance(item, bool | int | float) for item in value.values())
        return dict(value) if plain and len(value) <= _MOST_SHOWN else f"({len(value)} items)"
    return value


def _in_words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) and value.endswith(" items)") else repr(value)
