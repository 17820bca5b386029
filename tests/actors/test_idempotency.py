from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.idempotency import IdempotencyKeys


def test_a_key_is_known_for_its_time() -> None:
    keys: IdempotencyKeys[str, int] = IdempotencyKeys(10.0, 100)
    keys.put("a", 1, 0.0)
    assert keys.get("a", 10.0) == 1
    assert keys.get("a", 10.1) is None
    assert keys.get("b", 0.0) is None
    keys.forget("a")
    keys.forget("a")
    assert keys.get("a", 1.0) is None


def test_old_keys_take_no_room() -> None:
    keys: IdempotencyKeys[str, int] = IdempotencyKeys(10.0, 100)
    for number in range(50):
        keys.put(str(number), number, float(number))
    assert len(keys) == 11


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 4)), max_size=40), st.integers(1, 4))
def test_beside_a_plain_dictionary(puts: list[tuple[str, float]], limit: int) -> None:
    keys: IdempotencyKeys[str, int] = IdempotencyKeys(5.0, limit)
    model: dict[str, tuple[float, int]] = {}
    now = 0.0
    for number, (key, gap) in enumerate(puts):
        now += gap
        keys.put(key, number, now)
        model.pop(key, None)
        model[key] = (now, number)
        newest = dict(list(model.items())[-limit:])
        for name in "abcdef":
            at, value = newest.get(name, (-99.0, None))
            assert keys.get(name, now) == (value if now - at <= 5.0 else None)
        assert len(keys) <= limit
