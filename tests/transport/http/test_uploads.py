from __future__ import annotations

from urllib.parse import quote

import pytest
import trio

from tests.transport.http.site import Site, open_site, read
from transport.pipeline_groups import KnownPipeline
from transport.pipelines import PipelinesOptions

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
BASE = "/api/v1/pipelines/p1/ws/uploads"


async def bring(site: Site, query: str, data: bytes, *, user: str = "a", status: int = 201) -> dict[str, object]:
    answer = await read(await site.request("POST", f"{BASE}?{query}", user=user, data=data), status)
    told: dict[str, object] = answer["data"] if status == 201 else answer
    return told


async def test_a_file_is_brought_and_fetched_with_what_its_bytes_say(site: Site) -> None:
    told = await bring(site, "name=%E5%9B%BE.html", PNG)
    assert (told["media_type"], told["size"], told["name"]) == ("image/png", len(PNG), "图.html")
    response = await site.request("GET", str(told["url"]))
    assert await response.get_data(as_text=False) == PNG
    assert response.mimetype == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"] == "inline; filename*=UTF-8''%E5%9B%BE.html"
    assert "sandbox" in response.headers["Content-Security-Policy"]


async def test_a_page_is_saved_and_never_shown(site: Site) -> None:
    told = await bring(site, "", b"<script>alert(1)</script>")
    response = await site.request("GET", str(told["url"]))
    assert (response.mimetype, response.headers["Content-Disposition"]) == ("text/plain", "attachment")


async def test_a_person_s_file_is_nobody_else_s_and_a_group_s_is_its_members(nursery: trio.Nursery) -> None:
    known = KnownPipeline(uuid="p1", members=("alice", "bob"))
    site = open_site(nursery, pipelines=PipelinesOptions(known=(known,)))
    own = await bring(site, "", PNG)
    assert await site.get(str(own["url"]), user="b", status=404) == {"code": -1, "msg": "no such file"}
    shared = await bring(site, "session_type=group", PNG)
    assert (await site.request("GET", str(shared["url"]), user="b")).status_code == 200
    assert (await site.request("GET", str(shared["url"]), user="o")).status_code == 403


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../etc/passwd", "passwd"), ("C:\\x\\a.png", "a.png"), ('a"b\r\nX: y', 'a"bX: y'), (".. ", "")],
)
async def test_a_name_is_one_without_folders_and_lines(site: Site, name: str, kept: str) -> None:
    told = await bring(site, f"name={quote(name, safe='')}", PNG)
    assert told["name"] == kept
    header = (await site.request("GET", str(told["url"]))).headers["Content-Disposition"]
    assert header == (f"inline; filename*=UTF-8''{quote(kept, safe='')}" if kept else "inline")


async def test_too_large_or_empty_is_refused(site: Site) -> None:
    assert (await bring(site, "", bytes(1_001), status=413))["code"] == -1
    assert (await bring(site, "", b"", status=400))["msg"] == "the file is empty"
    assert (await bring(site, "session_type=crowd", PNG, status=400))["code"] == -1
