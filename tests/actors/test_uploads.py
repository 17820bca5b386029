from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import CallboardError, ErrorCode
from actors.uploads import FILE_OVERHEAD, MemoryUploads, UploadsOptions

owners = st.sampled_from(["ann", "bob", "cyd"])


@given(st.lists(st.tuples(owners, st.sampled_from(["", "n"]), st.binary(max_size=12)), max_size=40))
def test_what_is_kept_stays_within_its_bounds_and_the_newest_is_there(files: list[tuple[str, str, bytes]]) -> None:
    store = MemoryUploads(UploadsOptions(file_bytes=10, owner_bytes=2_100, total_bytes=4_200))
    kept: dict[tuple[str, str], bytes] = {}
    for owner, name, data in files:
        if len(data) > 10:
            with pytest.raises(CallboardError) as refused:
                store.put(owner, "s", name, "x/y", data)
            assert refused.value.code is ErrorCode.TOO_LARGE
            continue
        key = store.put(owner, "s", name, "x/y", data).key
        kept[owner, key] = data
        assert store.find(owner, "s", key).data == data
        found: dict[str, int] = {}
        for who, one in kept:
            try:
                found[who] = found.get(who, 0) + len(store.find(who, "s", one).data) + FILE_OVERHEAD
            except CallboardError:
                continue
        assert sum(found.values()) == store.kept_bytes <= 4_200
        assert all(size <= 2_100 for size in found.values())


def test_a_file_is_its_owner_s_alone() -> None:
    store = MemoryUploads()
    key = store.put("ann", "s", "", "x/y", b"same").key
    assert store.put("ann", "s", "", "x/y", b"same").key == key
    assert store.put("bob", "s", "", "x/y", b"same").key != key
    for owner, scope in (("bob", "s"), ("ann", "t")):
        with pytest.raises(CallboardError) as refused:
            store.find(owner, scope, key)
        assert refused.value.code is ErrorCode.NOT_FOUND


def test_what_is_forgotten_is_of_one_owner_and_scope() -> None:
    store = MemoryUploads()
    keys = {
        (owner, scope): [store.put(owner, scope, name, "x/y", b"same").key for name in ("one", "two")]
        for owner in ("ann", "bob")
        for scope in ("s", "t")
    }
    store.forget("ann", "t", keys["ann", "s"][0])
    assert store.find("ann", "s", keys["ann", "s"][0]).name == "one"
    store.forget("ann", "s", keys["ann", "s"][0])
    store.forget_all("bob", "t")
    store.forget_all("nobody", "t")
    gone = [("ann", "s", keys["ann", "s"][0]), *(("bob", "t", key) for key in keys["bob", "t"])]
    for owner, scope, key in gone:
        with pytest.raises(CallboardError):
            store.find(owner, scope, key)
    assert store.kept_bytes == 5 * (4 + FILE_OVERHEAD)
