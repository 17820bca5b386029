"""What every store of files has to do, whatever it keeps them in."""

from __future__ import annotations

import pytest

from actors.errors import CallboardError, ErrorCode
from actors.uploads import FILE_OVERHEAD, UploadStore

FILE_BYTES, OWNER_BYTES, TOTAL_BYTES = 10, 2_100, 4_200
"""The bounds of a store for `check_bounds`."""


async def check_bounds(store: UploadStore, files: list[tuple[str, str, bytes]]) -> None:
    """Puts the files, each an owner, a name and bytes: the newest is there, and no bound is passed."""
    kept: dict[tuple[str, str], bytes] = {}
    for owner, name, data in files:
        if len(data) > FILE_BYTES:
            with pytest.raises(CallboardError) as refused:
                await store.put(owner, "s", name, "x/y", data)
            assert refused.value.code is ErrorCode.TOO_LARGE
            continue
        key = (await store.put(owner, "s", name, "x/y", data)).key
        kept.pop((owner, key), None)
        kept[owner, key] = data
        expected = _within_bounds(kept)
        for (who, one), bytes_of in kept.items():
            if (who, one) in expected:
                assert (await store.find(who, "s", one)).data == bytes_of
            else:
                with pytest.raises(CallboardError):
                    await store.find(who, "s", one)
        kept = {key: kept[key] for key in kept if key in expected}


def _within_bounds(kept: dict[tuple[str, str], bytes]) -> set[tuple[str, str]]:
    """The newest file is of the owner whose oldest go first; then the oldest of all go."""
    sizes = {key: len(data) + FILE_OVERHEAD for key, data in kept.items()}
    newest_owner = next(reversed(kept))[0]
    for key in [key for key in kept if key[0] == newest_owner]:
        if sum(size for (owner, _), size in sizes.items() if owner == newest_owner) > OWNER_BYTES:
            del sizes[key]
    for key in list(sizes):
        if sum(sizes.values()) > TOTAL_BYTES:
            del sizes[key]
    return set(sizes)


async def check_owners(store: UploadStore) -> None:
    """A file is its owner's and its scope's alone, and the same one is kept once."""
    key = (await store.put("ann", "s", "", "x/y", b"same")).key
    assert (await store.put("ann", "s", "", "x/y", b"same")).key == key
    assert (await store.put("bob", "s", "", "x/y", b"same")).key != key
    for owner, scope in (("bob", "s"), ("ann", "t")):
        with pytest.raises(CallboardError) as refused:
            await store.find(owner, scope, key)
        assert refused.value.code is ErrorCode.NOT_FOUND


async def check_forgetting(store: UploadStore) -> None:
    """What is forgotten is of one owner and scope."""
    keys = {
        (owner, scope): [(await store.put(owner, scope, name, "x/y", b"same")).key for name in ("one", "two")]
        for owner in ("ann", "bob")
        for scope in ("s", "t")
    }
    await store.forget("ann", "t", keys["ann", "s"][0])
    assert (await store.find("ann", "s", keys["ann", "s"][0])).name == "one"
    await store.forget("ann", "s", keys["ann", "s"][0])
    await store.forget_all("bob", "t")
    await store.forget_all("nobody", "t")
    gone = [("ann", "s", keys["ann", "s"][0]), *(("bob", "t", key) for key in keys["bob", "t"])]
    for owner, scope, key in gone:
        with pytest.raises(CallboardError):
            await store.find(owner, scope, key)
    left = [(owner, scope, key) for (owner, scope), of_scope in keys.items() for key in of_scope]
    for owner, scope, key in left:
        if (owner, scope, key) not in gone:
            assert (await store.find(owner, scope, key)).data == b"same"
