"""The elements of a chat message: their forms on the wire, and as text for an agent. Pure functions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar, assert_never

import msgspec

from actors.errors import CallboardError, ErrorCode
from actors.event import Json

Name: TypeAlias = str | int
"""An id of somebody's or something's, as chat platforms have them: a number or a text."""
Text = Annotated[str, msgspec.Meta(max_length=1_000_000)]
Url = Annotated[str, msgspec.Meta(pattern=r"^(?:|(?i:data:)[\s\S]*|(?:(?i:https?)://|/)\S{0,4096})\Z")]
"""Of a file elsewhere or of the engine's own. Others may open it: nothing that a browser would run."""
Path = Annotated[str, msgspec.Meta(max_length=4096, pattern=r"^(?!\s*(?i:data|javascript|vbscript):)")]
_MOST_ELEMENTS = 200
_DEEPEST = 8


class _Element(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    pass


class Source(_Element, frozen=True, tag="Source"):
    """Which message this is, where it came from; says nothing by itself."""

    id: Name = ""
    time: Name | float = ""


class Plain(_Element, frozen=True, tag="Plain"):
    text: Text


class Quote(_Element, frozen=True, tag="Quote"):
    """An earlier message that this one is about."""

    id: Name | None = None
    sender_id: Name | None = None
    target_id: Name | None = None
    group_id: Name | None = None
    origin: tuple[Element, ...] = ()


class At(_Element, frozen=True, tag="At"):
    target: Name
    display: str | None = None


class AtAll(_Element, frozen=True, tag="AtAll"):
    pass


class _Media(_Element, frozen=True):
    """Bytes by their address. `base64` may come in, and is never kept: they move to the store of uploads."""

    url: Url | None = None
    path: Path | None = None
    base64: str | None = None


class Image(_Media, frozen=True, tag="Image"):
    image_id: Name | None = None


class Voice(_Media, frozen=True, tag="Voice"):
    voice_id: Name | None = None
    length: int | float | None = None


class File(_Media, frozen=True, tag="File"):
    id: Name | None = None
    name: str = ""
    size: int | None = None


class ForwardNode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    sender_id: Name | None = None
    sender_name: str | None = None
    time: Name | float | None = None
    message_id: Name | None = None
    message_chain: tuple[Element, ...] = ()


class Forward(_Element, frozen=True, tag="Forward"):
    """Messages of another conversation."""

    display: Any = None
    node_list: tuple[ForwardNode, ...] = ()


class Unknown(_Element, frozen=True, tag="Unknown"):
    """Something of another platform that has no form here."""

    text: Text = ""


Element: TypeAlias = Source | Plain | Quote | At | AtAll | Image | Voice | File | Forward | Unknown
Chain: TypeAlias = tuple[Element, ...]
Media: TypeAlias = Image | Voice | File
Store: TypeAlias = Callable[[bytes, str], str]
"""Keeps bytes under a name that may be empty, and returns the address where they are to be had. Raises CallboardError
TOO_LARGE or BUSY."""

_M = TypeVar("_M", Image, Voice, File)


def decode_chain(value: object) -> Chain:
    """Raises CallboardError INVALID_PAYLOAD, naming the element, for what is no chain or says nothing."""
    if not isinstance(value, list):
        raise _refused("`message` is a list of message elements")
    try:
        chain = msgspec.convert(value, Chain)
    except msgspec.ValidationError as error:
        raise _refused(f"`message`: {error}") from error
    except RecursionError as error:
        raise _refused("`message` is nested too deep") from error
    if _count(chain, 0) > _MOST_ELEMENTS:
        raise _refused(f"`message` has more than {_MOST_ELEMENTS} elements")
    if not text_of(chain).strip():
        raise _refused("`message` is empty")
    return chain


def encode_chain(chain: Chain) -> list[Json]:
    encoded: list[Json] = msgspec.json.decode(msgspec.json.encode(chain))
    return encoded


def plain_chain(text: str) -> list[Json]:
    """The chain of a message that was given as text."""
    return [{"type": "Plain", "text": text}] if text else []


def urls_of(chain: Json) -> frozenset[str]:
    """The addresses in an encoded chain, of the elements within elements too."""
    match chain:
        case list():
            return frozenset().union(*map(urls_of, chain))
        case dict():
            own = chain.get("url")
            found = frozenset().union(*map(urls_of, chain.values()))
            return found | {own} if isinstance(own, str) else found
        case _:
            return frozenset()


def text_of(chain: Chain) -> str:
    """What the message says, in one text."""
    return "".join(map(_text, chain))


def _text(element: Element) -> str:
    match element:
        case Source():
            return ""
        case Plain() | Unknown():
            return element.text
        case Quote():
            return f"[Quote]{text_of(element.origin)}\n"
        case At():
            return f"@{element.display or element.target}"
        case AtAll():
            return "@all"
        case Image():
            return "[Image]"
        case Voice():
            return "[Voice]"
        case File():
            return f"[File]{element.name}"
        case Forward():
            return "\n".join(["[Forward]", *(_node_text(node) for node in element.node_list)])
        case _:
            assert_never(element)


def bytes_in(chain: Chain) -> list[tuple[str, bytes]]:
    """The names and bytes of what is in the chain itself, in its order. Raises CallboardError INVALID_PAYLOAD for what
    is not base64."""
    found: list[tuple[str, bytes]] = []

    def note(data: bytes, name: str) -> str:
        found.append((name, data))
        return ""

    without_base64(chain, note)
    return found


def without_base64(chain: Chain, store: Store) -> Chain:
    """The chain with the bytes in it moved to the store, and their addresses in their place.

    Raises CallboardError INVALID_PAYLOAD for what is not base64, and as the store refuses.
    """
    return tuple(_stored(element, store) for element in chain)


def _stored(element: Element, store: Store) -> Element:
    match element:
        case Image():
            return _moved(element, "", store)
        case Voice():
            return _moved(element, "", store)
        case File():
            return _moved(element, element.name, store)
        case Quote():
            return msgspec.structs.replace(element, origin=without_base64(element.origin, store))
        case Forward():
            nodes = tuple(
                msgspec.structs.replace(node, message_chain=without_base64(node.message_chain, store))
                for node in element.node_list
            )
            return msgspec.structs.replace(element, node_list=nodes)
        case Source() | Plain() | At() | AtAll() | Unknown():
            return element
        case _:
            assert_never(element)


def _moved(media: _M, name: str, store: Store) -> _M:
    encoded = media.base64 or (media.url if _is_data(media.url) else None)
    if encoded is None:
        return media
    if _is_data(encoded):
        head, _, encoded = encoded.partition(",")
        if not head.lower().endswith(";base64"):
            raise _refused("a data URL in a message is written data:<type>;base64,<bytes>")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused("`base64` of a message element is not base64") from error
    return msgspec.structs.replace(media, base64=None, url=store(data, name))


def _is_data(url: str | None) -> bool:
    return url is not None and url[:5].lower() == "data:"


def _node_text(node: ForwardNode) -> str:
    sender = node.sender_name or node.sender_id
    said = text_of(node.message_chain)
    return said if sender is None else f"{sender}: {said}"


def _count(chain: Chain, depth: int) -> int:
    if depth > _DEEPEST:
        raise _refused("`message` is nested too deep")
    total = len(chain)
    for element in chain:
        match element:
            case Quote():
                total += _count(element.origin, depth + 1)
            case Forward():
                total += sum(_count(node.message_chain, depth + 1) for node in element.node_list)
            case _:
                pass
    return total


def _refused(message: str) -> CallboardError:
    return CallboardError(ErrorCode.INVALID_PAYLOAD, message)
