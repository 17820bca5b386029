"""What a prompt asks of the offline agent, found by plain patterns."""

from __future__ import annotations

import re
from functools import cache
from typing import TypeAlias
from zoneinfo import available_timezones

import msgspec

_MOST_EXPRESSIONS = 5
_MOST_COUNT = 1000
_MOST_CHARACTERS = 20_000

_FAIL = re.compile(r"\s*fail:(.*)", re.IGNORECASE | re.DOTALL)
_CONFIRM = re.compile(r"\bconfirm", re.IGNORECASE)
_SLOWLY = re.compile(r"\bslow", re.IGNORECASE)
_COUNT = re.compile(r"\bcount (?:up )?to ([0-9]{1,9})\b", re.IGNORECASE)
_DEVICE = re.compile(r"\bask my device for (?:(?:the|its|my|a) )?([a-z][a-z0-9_.-]{0,63})", re.IGNORECASE)
_DATE = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b")
_EXPRESSION = re.compile(r"[0-9(.+\-][0-9(). \t+\-*/%]*")
_OPERATION = re.compile(r"[0-9.)]\s*[+\-*/%][-+*/(\s]*[0-9.]")
_ZONE = re.compile(r"\b[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z_]+){1,2}\b")
_TIME = re.compile(r"\b(?:what time|the time|time is it|current time|time in|clock|the date|today)\b", re.IGNORECASE)
_MEASURE = re.compile(r"\b(?:statistics|analy[sz]e|measure|how many (?:words|characters|sentences|lines))\b", re.I)
_QUOTED = re.compile(r"\btext:\s*(.+)|[\"“]([^\"“”]+)[\"”]", re.IGNORECASE | re.DOTALL)


class Calculate(msgspec.Struct, frozen=True, tag=True):
    expression: str


class TellTime(msgspec.Struct, frozen=True, tag=True):
    zone: str


class Count(msgspec.Struct, frozen=True, tag=True):
    """From 1 to `last`."""

    last: int


class Measure(msgspec.Struct, frozen=True, tag=True):
    text: str


class AskDevice(msgspec.Struct, frozen=True, tag=True):
    """For what a tool of one of the user's own devices returns."""

    tool: str


Wish: TypeAlias = Calculate | TellTime | Count | Measure | AskDevice


class Wishes(msgspec.Struct, frozen=True):
    """All that one prompt asks for. `failure` is the reason to fail with, where that was asked for."""

    wishes: tuple[Wish, ...]
    failure: str | None = None
    confirm: bool = False
    slowly: bool = False


def read_prompt(prompt: str) -> Wishes:
    """Arithmetic, the time, counting, asking a device and measuring, in this order, in the first 20,000 characters.

    A prompt with none of them is itself measured.
    """
    prompt = prompt[:_MOST_CHARACTERS]
    failing = _FAIL.fullmatch(prompt)
    if failing is not None:
        return Wishes((), failure=failing[1].strip() or "no reason given")
    wishes: list[Wish] = [Calculate(expression) for expression in _expressions(prompt)]
    wishes += [TellTime(zone) for zone in _zones(prompt)]
    count = _COUNT.search(prompt)
    if count is not None:
        wishes.append(Count(min(int(count[1]), _MOST_COUNT)))
    device = _DEVICE.search(prompt)
    if device is not None:
        wishes.append(AskDevice(device[1].rstrip(".-")))
    if not wishes or _MEASURE.search(prompt):
        wishes.append(Measure(_text(prompt)))
    return Wishes(tuple(wishes), confirm=_found(_CONFIRM, prompt), slowly=_found(_SLOWLY, prompt))


def _found(pattern: re.Pattern[str], prompt: str) -> bool:
    return pattern.search(prompt) is not None


def _expressions(prompt: str) -> list[str]:
    found: list[str] = []
    for run in _EXPRESSION.findall(_DATE.sub(" ", prompt)):
        expression = run.strip().rstrip(".+-*/% \t")
        if expression.count("(") != expression.count(")"):
            expression = expression.strip("() ")
        if _OPERATION.search(expression) and expression not in found:
            found.append(expression)
    return found[:_MOST_EXPRESSIONS]


def _zones(prompt: str) -> list[str]:
    zones = list(dict.fromkeys(_ZONE.findall(prompt)))[:_MOST_EXPRESSIONS]
    if zones or not _TIME.search(prompt):
        return zones
    places = re.findall(r"(?=\b([A-Z]\w+(?: [A-Z]\w+){0,2}))", prompt)
    named = (_cities().get(place.lower()) for place in places)
    return list(dict.fromkeys(zone for zone in named if zone is not None))[:_MOST_EXPRESSIONS] or ["UTC"]


@cache
def _cities() -> dict[str, str]:
    """The zone database's cities: `tokyo` is in `Asia/Tokyo`."""
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix/")))
    return {zone.rpartition("/")[2].replace("_", " ").lower(): zone for zone in zones}


def _text(prompt: str) -> str:
    quoted = _QUOTED.search(prompt)
    text = (quoted[1] or quoted[2]) if quoted else prompt
    return text.strip()
