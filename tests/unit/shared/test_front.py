"""Who a service is, its document and its page: there for everybody, and nothing of them from elsewhere."""

import re
from typing import Final

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support.applications import NOWHERE, SERVICES, asking, build

ELSEWHERE: Final = re.compile(r"(src|href)=.(https?:)?//")

every_service = pytest.mark.parametrize("service", SERVICES)


@every_service
async def test_the_root_says_who_this_is_and_each_of_its_links_leads_somewhere(service: str) -> None:
    made = build(service, NOWHERE)
    async with asking(made) as client:
        front = (await client.get("/")).raise_for_status().json()
        assert front["service"] == service
        assert set(front["links"]) == {"docs", "openapi", "live", "ready", "lag", "metrics"}
        statuses = {name: (await client.get(link)).status_code for name, link in front["links"].items()}
    # The database is away here, and the consumer is not connected.
    assert statuses == {"docs": 200, "openapi": 200, "live": 200, "ready": 503, "lag": 503, "metrics": 200}


@every_service
async def test_pages_load_nothing_from_another_origin_and_are_forbidden_to(service: str) -> None:
    async with asking(build(service, NOWHERE)) as client:
        for path in ("/", "/docs"):
            page = (await client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})).raise_for_status()
            assert page.headers["content-type"].startswith("text/html")
            policy = page.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self';")
            assert "http" not in policy
            assert not ELSEWHERE.search(page.text)
            for name in re.findall(r"(?:src|href)=.docs/([^\"]+)", page.text):
                asset = (await client.get(f"/docs/{name}")).raise_for_status()
                assert asset.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize("name", ["other.js", "..%2Ffront.py", "%00"])
async def test_there_are_no_other_files(name: str) -> None:
    async with asking(build("segment", NOWHERE)) as client:
        assert (await client.get(f"/docs/{name}")).status_code in (404, 422)


@every_service
async def test_the_document_is_valid_openapi(service: str) -> None:
    made = build(service, NOWHERE)
    assert made.app is not None
    document = made.app.openapi()
    await made.database.close()
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    schemes = document["components"]["securitySchemes"]
    used = {
        name
        for operations in document["paths"].values()
        for operation in operations.values()
        for alternative in operation.get("security", ())
        for name in alternative
    }
    assert used == set(schemes)
