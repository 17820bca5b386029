from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from actors.event import Draft, Event, Merge, draft
from actors.merge import merge_events
from tests.support.drafts import fact, log_of, progress, text

KEYS = st.sampled_from(["", "a"])
DRAFTS = st.lists(
    st.one_of(
        st.builds(text, st.text(max_size=5), KEYS),
        st.builds(progress, st.integers(0, 9), KEYS),
        st.builds(fact, st.integers(0, 9)),
    ),
    max_size=30,
)


def logged(drafts: list[Draft]) -> list[Event]:
    return log_of(*drafts).read(0, max_events=1000, max_bytes=10**9)


def classes(event: Event) -> tuple[str, str, Merge]:
    return event.event_type, event.merge_key, event.merge


def content(event: Event) -> str:
    assert isinstance(event.data, dict)
    return str(event.data["content"])


@given(DRAFTS)
def test_no_token_is_lost_and_each_range_is_covered_once(drafts: list[Draft]) -> None:
    events = logged(drafts)
    merged = merge_events(events)
    at = 0
    for event in merged:
        covered = events[event.first - 1 : event.offset]
        assert event.first == at + 1
        assert {classes(one) for one in covered} == {classes(event)}
        match event.merge:
            case Merge.TEXT:
                assert content(event) == "".join(map(content, covered))
            case Merge.LAST:
                assert event.data == covered[-1].data
            case Merge.NEVER:
                assert [event] == covered
        at = event.offset
    assert at == len(events)


@given(DRAFTS)
def test_a_run_becomes_one_event(drafts: list[Draft]) -> None:
    events = logged(drafts)
    runs = [(key, len(list(run))) for key, run in groupby(events, classes)]
    expected = sum(count if key[2] is Merge.NEVER else 1 for key, count in runs)
    assert len(merge_events(events)) == expected


@given(DRAFTS, st.integers(0, 30))
def test_merging_what_is_merged_gives_the_same(drafts: list[Draft], cut: int) -> None:
    events = logged(drafts)
    pieces = merge_events(events[:cut]) + merge_events(events[cut:])
    assert merge_events(pieces) == merge_events(events)


def test_other_members_of_a_text_are_the_first_ones() -> None:
    pieces = [
        draft("t", {"content": part, "model": model}, merge=Merge.TEXT, timestamp=stamp)
        for part, model, stamp in (("a", "one", 1), ("b", "two", 2))
    ]
    (merged,) = merge_events(logged(pieces))
    assert merged.data == {"content": "ab", "model": "one"}
    assert (merged.first, merged.offset, merged.timestamp) == (1, 2, 2)
