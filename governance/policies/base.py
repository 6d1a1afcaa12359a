"""What every policy is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

from governance.errors import InvalidInput
from governance.evidence import Case
from governance.lifecycle import TransitionName
from governance.models import checked_text
from governance.policies.scope import Enforcement, Kind, Scope
from governance.rules.variables import Need
from governance.verdicts import Verdict


@dataclass(frozen=True)
class Policy(ABC):
    """A rule with its parameters. Subclasses are frozen dataclasses whose fields all have defaults.

    Stored parameters outlive code: a field may be added with a default, never renamed; another meaning is
    another policy with another name.
    """

    name: ClassVar[str]
    title: ClassVar[str]  # a sentence for people; the name of the gate's task on the run page
    kind: ClassVar[Kind] = "governance"
    enforcement: ClassVar[Enforcement] = "hard"
    transitions: ClassVar[frozenset[TransitionName]]
    about_people: ClassVar[bool] = False  # judges decisions, so that an undecided verdict means "wait"
    may_wait: ClassVar[bool] = False  # judges a time that will come, so that an undecided verdict means "wait"

    @abstractmethod
    def judge(self, case: Case) -> Verdict:
        """Pure: the same case gives the same verdict. May raise; `governance.gates` makes that Unknown."""

    @classmethod
    @abstractmethod
    def samples(cls) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        """(allowed, denied), each with at least one case, for the default parameters."""

    @property
    def scope(self) -> Scope:
        return Scope(self.transitions)

    @property
    def needs(self) -> frozenset[Need]:
        """Parts of the subject that it judges beyond those that its transitions have anyhow."""
        return frozenset()

    def parameters(self) -> dict[str, Any]:
        return asdict(self)

    def definition(self) -> dict[str, Any]:
        """Everything that it judges by; `governance.policy_definitions` builds it again from this alone."""
        return {
            "name": self.name,
            "title": self.title,
            "kind": self.kind,
            "enforcement": self.enforcement,
            "scope": self.scope.to_json(),
            "builtIn": self.name,
            "rules": [],
            "parameters": self.parameters(),
        }


@dataclass(frozen=True)
class ActivePolicy:
    """A policy with the version of its parameters that is in force."""

    policy: Policy
    version: int

    def to_json(self) -> dict[str, Any]:
        """What is frozen in the evidence: the whole definition, to judge by it again years later."""
        return {"version": self.version, **self.policy.definition()}


P = TypeVar("P", bound=Policy)


def in_force(active: Iterable[ActivePolicy], kind: type[P]) -> P:
    """The policy of this kind with the parameters that are in force, for what has to be planned by them."""
    return next((one.policy for one in active if isinstance(one.policy, kind)), None) or kind()


def build_policy(policy: type[Policy], parameters: Mapping[str, Any]) -> Policy:
    """The policy with these parameters. Raises InvalidInput for an unknown name or a value of another shape."""
    defaults = policy().parameters()
    unknown = sorted(set(parameters) - set(defaults))
    if unknown:
        raise InvalidInput(
            f"Policy {policy.name!r} has no parameter {', '.join(unknown)}.",
            details={"known": sorted(defaults)},
        )
    values = {field.name: parameters.get(field.name, defaults[field.name]) for field in fields(policy)}
    for name, value in values.items():
        _same_shape(f"{policy.name}.{name}", defaults[name], value)
    return policy(**values)


def _same_shape(path: str, default: Any, value: Any) -> None:
    if isinstance(default, dict):
        if not isinstance(value, dict) or set(value) != set(default):
            raise InvalidInput(f"{path} must have exactly the keys {', '.join(default)}.")
        for key in default:
            _same_shape(f"{path}.{key}", default[key], value[key])
    elif isinstance(default, bool) or isinstance(value, bool):
        if type(default) is not type(value):
            raise InvalidInput(f"{path} must be {'true or false' if isinstance(default, bool) else 'a number'}.")
    elif isinstance(default, int | float):
        if not isinstance(value, int | float) or not 0 <= value <= 1_000_000:
            raise InvalidInput(f"{path} must be a number from 0 to 1,000,000.")
        if isinstance(default, int) and not isinstance(value, int):
            raise InvalidInput(f"{path} must be a whole number.")
    elif isinstance(default, list | tuple):
        if not isinstance(value, list | tuple) or len(value) > 100:
            raise InvalidInput(f"{path} must be a list of at most 100 names.")
        for item in value:
            if not isinstance(item, str):
                raise InvalidInput(f"{path} must be a list of names.")
            checked_text(path, item, limit=200)
    elif type(default) is not type(value):
        raise InvalidInput(f"{path} must be of type {type(default).__name__}.")
