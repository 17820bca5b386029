from __future__ import annotations

import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.uploads import FILE_OVERHEAD, MemoryUploads, UploadsOptions
from tests.support.upload_checks import (
    FILE_BYTES,
    OWNER_BYTES,
    TOTAL_BYTES,
    check_bounds,
    check_forgetting,
    check_owners,
)

owners = st.sampled_from(["ann", "bob", "cyd"])


@given(st.lists(st.tuples(owners, st.sampled_from(["", "n"]), st.binary(max_size=12)), max_size=40))
def test_what_is_kept_stays_within_its_bounds_and_the_newest_is_there(files: list[tuple[str, str, bytes]]) -> None:
    store = MemoryUploads(UploadsOptions(file_bytes=FILE_BYTES, owner_bytes=OWNER_BYTES, total_bytes=TOTAL_BYTES))
    trio.run(check_bounds, store, files)
    assert store.kept_bytes <= TOTAL_BYTES


async def test_a_file_is_its_owner_s_alone() -> None:
    await check_owners(MemoryUploads())


async def test_what_is_forgotten_is_of_one_owner_and_scope() -> None:
    store = MemoryUploads()
    await check_forgetting(store)
    assert store.kept_bytes == 5 * (4 + FILE_OVERHEAD)
