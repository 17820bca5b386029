from __future__ import annotations

from actors.groups import Groups


def test_members_stay_in_the_order_they_came() -> None:
    groups: Groups[str, int] = Groups()
    for member in (3, 1, 2, 1):
        groups.add("a", member)
    groups.add("b", 9)
    assert list(groups.of("a")) == [3, 1, 2]
    assert groups.newest_first("a") == [2, 1, 3]
    assert list(groups.of("b")) == [9]
    assert list(groups.of("nobody's")) == groups.newest_first("nobody's") == []


def test_an_empty_group_is_not_kept() -> None:
    groups: Groups[str, int] = Groups()
    groups.add("a", 1)
    assert not groups.discard("a", 2)
    assert not groups.discard("b", 1)
    assert groups.discard("a", 1)
    assert not groups.discard("a", 1)
    assert len(groups) == 0
