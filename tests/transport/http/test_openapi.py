from __future__ import annotations

import re

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.transport.http.site import Json, Site


async def document(site: Site) -> Json:
    return await site.get("/openapi.json", user=None)


async def test_the_document_is_valid(site: Site) -> None:
    assert list(OpenAPIV31SpecValidator(await document(site)).iter_errors()) == []


async def test_the_document_has_every_route_and_no_other(site: Site) -> None:
    described = {
        (method.upper(), path) for path, methods in (await document(site))["paths"].items() for method in methods
    }
    served = {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule))
        for rule in site.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(("/api", "/ws"))
    }
    assert described == served
    assert ("POST", "/api/v1/publish") in described


async def test_operations_have_names_of_their_own(site: Site) -> None:
    operations = [one for methods in (await document(site))["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)


async def test_answers_have_the_members_that_the_document_says(site: Site) -> None:
    schemas = (await document(site))["components"]["schemas"]
    task = await site.task("echo")
    assert set(task) == set(schemas["TaskJson"]["properties"])
    session = await site.post("/api/v1/sessions", status=201)
    assert set(session) == set(schemas["SessionJson"]["properties"])
    history = await site.get(f"/api/v1/channels/task/{task['id']}/history")
    assert set(history["events"][0]) == set(schemas["EventJson"]["properties"])
