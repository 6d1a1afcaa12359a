"""A token that was made by a token is never good for more than that one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from governance.errors import Forbidden
from governance.operations import tokens
from governance.operations.tokens import Wanted
from storage.composition import new_id
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import RegistryUnderTest

__all__ = ["shared_registry"]

DAY = timedelta(days=1)


def issue(r: RegistryUnderTest, calls_remaining: int | None, calls: int | None) -> int | None:
    maker = replace(r.dev, token_id=new_id(), calls_remaining=calls_remaining)
    wanted = Wanted("another", DAY, kind=tokens.API_KEY, calls=calls)
    mac = new_id().encode()
    return tokens.issue_token(r.unit(), r.call(maker), user_id=maker.id, mac=mac, wanted=wanted).calls


def test_a_counted_token_makes_counted_ones(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    assert issue(r, 5, 10) == 10
    assert issue(r, 0, 1) == 1
    with pytest.raises(Forbidden):
        issue(r, 5, None)
    with pytest.raises(Forbidden):
        issue(r, 0, None)


def test_what_is_not_counted_makes_both(shared_registry: RegistryUnderTest) -> None:
    assert issue(shared_registry, None, None) is None
    assert issue(shared_registry, None, 3) == 3
