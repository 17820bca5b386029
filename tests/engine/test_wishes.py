"""What the offline agent reads out of a prompt."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agents.wishes import AskDevice, Calculate, Count, Measure, TellTime, Wish, read_prompt


@pytest.mark.parametrize(
    ("prompt", "wishes"),
    [
        ("What is 12 * (3 + 4)?", [Calculate("12 * (3 + 4)")]),
        ("1+1, 1+1 and (2 - 3).", [Calculate("1+1"), Calculate("(2 - 3)")]),
        ("(see 3 + 4)", [Calculate("3 + 4")]),
        ("2**10 // 3", [Calculate("2**10 // 3")]),
        ("5 * -2", [Calculate("5 * -2")]),
        ("On 2024-07-01 I was 7", [Measure("On 2024-07-01 I was 7")]),
        ("call 555", [Measure("call 555")]),
        ("What time is it in America/Argentina/Ushuaia?", [TellTime("America/Argentina/Ushuaia")]),
        ("count up to 12", [Count(12)]),
        ("count to 999999999", [Count(1000)]),
        ("How many words? text: one two", [Measure("one two")]),
        ("Ask my device for its clipboard.", [AskDevice("clipboard")]),
        ("ask my device for geo.position", [AskDevice("geo.position")]),
        ("", [Measure("")]),
    ],
)
def test_wishes(prompt: str, wishes: list[Wish]) -> None:
    assert list(read_prompt(prompt).wishes) == wishes


def test_manners() -> None:
    assert read_prompt(" FAIL: no\nway ").failure == "no\nway"
    assert read_prompt("fail:").failure == "no reason given"
    assert read_prompt("it may fail: sometimes").failure is None
    assert read_prompt("Confirm before you count to 3 slowly").confirm
    assert read_prompt("count to 3 slowly").slowly
    assert not read_prompt("count to 3").confirm


@given(st.text(max_size=200) | st.text(alphabet='0 1+-*/().“"textcounttofail:', max_size=200))
def test_any_prompt_has_wishes_or_fails(prompt: str) -> None:
    read = read_prompt(prompt)
    assert (read.failure is None) == bool(read.wishes)


@pytest.mark.parametrize("piece", ["1+ ", "“", "(", "1 ", "text:", "A/", "fail:", "count to ", " ", "1+", "+ "])
def test_the_longest_prompt_takes_no_time(piece: str) -> None:
    begun = time.process_time()
    read_prompt(piece * (1 << 20))
    assert time.process_time() - begun < 0.5
