"""Which topics there are for whom: from the names on the wire to the key of a log."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from actors.agents import Agents
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, check_topic
from actors.principal import EVERYTHING, Principal
from actors.rooms import ROOM_CHANNEL, Rooms
from actors.sessions import Sessions
from actors.tasks import Tasks

ChannelName: TypeAlias = Literal["task", "session", "system", "app", "agent", "room"]
CHANNELS: tuple[ChannelName, ...] = get_args(ChannelName)

_BROADCASTS = "broadcasts"
_OWN_TOPICS = ("tasks", "sessions", "batches", _BROADCASTS)
_COMMON_TOPICS = ("agents", "alerts")
_ADMIN_TOPICS = ("stats",)


def system_key(principal: Principal, topic: str) -> ChannelKey:
    """Raises CallboardError NOT_FOUND or FORBIDDEN."""
    if topic in _OWN_TOPICS:
        return ChannelKey("system", topic, EVERYTHING if principal.is_admin else principal.user_id)
    if topic in _COMMON_TOPICS:
        return ChannelKey("system", topic)
    if topic not in _ADMIN_TOPICS:
        known = ", ".join((*_OWN_TOPICS, *_COMMON_TOPICS, *_ADMIN_TOPICS))
        raise CallboardError(ErrorCode.NOT_FOUND, f"no system topic {topic!r}; there are {known}")
    if not principal.is_admin:
        raise CallboardError(ErrorCode.FORBIDDEN, f"the system topic {topic!r} is for admins")
    return ChannelKey("system", topic, EVERYTHING)


def system_keys(principal: Principal) -> tuple[ChannelKey, ...]:
    """All system topics that the principal may see."""
    topics = (*_OWN_TOPICS, *_COMMON_TOPICS, *(_ADMIN_TOPICS if principal.is_admin else ()))
    return tuple(system_key(principal, topic) for topic in topics)


def system_audiences(topic: str, owner: str) -> tuple[ChannelKey, ...]:
    """The logs into which news of an object of `owner` goes: the owner's own and the admins'."""
    if topic in _OWN_TOPICS:
        return ChannelKey("system", topic, owner), ChannelKey("system", topic, EVERYTHING)
    return (ChannelKey("system", topic),)


def broadcasts_of(owner: str) -> ChannelKey:
    """The log of what one user is told outside of any task and conversation."""
    return ChannelKey("system", _BROADCASTS, owner)


def check_channel(channel: str) -> None:
    """Raises CallboardError INVALID_CHANNEL."""
    if channel not in CHANNELS:
        raise CallboardError(ErrorCode.INVALID_CHANNEL, f"no channel {channel!r}; there are {', '.join(CHANNELS)}")


class Addresses:
    """Finds the log behind a name, if the principal may see it."""

    def __init__(self, tasks: Tasks, sessions: Sessions, agents: Agents, rooms: Rooms) -> None:
        self._tasks = tasks
        self._sessions = sessions
        self._agents = agents
        self._rooms = rooms

    def resolve(self, principal: Principal, channel: str, topic: str) -> ChannelKey:
        """Raises CallboardError INVALID_CHANNEL, INVALID_PAYLOAD, NOT_FOUND or FORBIDDEN. What somebody else owns is
        not found, so that a name tells nothing."""
        check_channel(channel)
        check_topic(topic)
        match channel:
            case "task":
                return self._tasks.find(principal, topic).key
            case "session":
                return self._sessions.find(principal, topic).key
            case "system":
                return system_key(principal, topic)
            case "agent":
                registrant = self._agents.registrant(topic)
                if registrant is None or not principal.sees(registrant):
                    raise CallboardError(ErrorCode.NOT_FOUND, f"no agent {topic!r} of yours runs elsewhere")
                return ChannelKey("agent", topic, registrant)
            case "room":
                return self._rooms.key(principal, topic)
            case _:
                return ChannelKey("app", topic)

    def sees(self, principal: Principal, key: ChannelKey) -> bool:
        """Whether a topic of everybody's, or of the principal's own, is for it: a room may be for some alone."""
        return key.channel != ROOM_CHANNEL or self._rooms.admits(principal, key.topic)
