from __future__ import annotations

import pytest

from actors.principal import EVERYTHING, MAXIMUM_USER_ID, Principal, Scope, is_user_id


@pytest.mark.parametrize("name", ["", EVERYTHING, "a\nb", "x" * (MAXIMUM_USER_ID + 1), "\x00"])
def test_no_user_is_named_like_everybody_or_the_admins(name: str) -> None:
    assert not is_user_id(name)


@pytest.mark.parametrize("name", ["a", "alice@example.org", "é x", "x" * MAXIMUM_USER_ID])
def test_other_names_are_users(name: str) -> None:
    assert is_user_id(name)


def test_an_admin_sees_all_and_has_every_scope() -> None:
    admin, user = Principal("root", frozenset({Scope.ADMIN})), Principal("alice")
    assert admin.sees("alice")
    assert admin.sees(EVERYTHING)
    assert admin.has(Scope.PUBLISH)
    assert user.sees("alice")
    assert user.sees("")
    assert not user.sees("root")
    assert not user.sees(EVERYTHING)
    assert not user.has(Scope.PUBLISH)
