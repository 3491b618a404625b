"""What browsers and Prometheus ask of `retention serve`: whatever can be asked with GET."""

import asyncio

import httpx
from filled import GONE, Filled

from worker.web.server import _office, create_web, site_of

__all__ = ["SCENARIOS"]

NUMBERS = {"account_id": 1, "sweep_id": 2, "policy": "purge"}
# Not in the API's description, or asked in more than one way.
FURTHER = (
    f"/api/v1/accounts/{GONE}",
    f"/api/v1/log/actions?account={GONE}",
    "/api/v1/log/actions?sweep=2",
    "/api/v1/log/actions?before=500",
    "/api/v1/sweeps?unended=true",
    "/api/v1/holds?account=1",
    "/charts/done/purge.svg",
    "/charts/ahead/purge.svg",
)


def everything_is_asked_that_the_web_tells(filled: Filled) -> None:
    """Ask for every path that the API describes, and for the charts."""
    filled.hand.do("measure")
    answered = asyncio.run(_ask(filled))
    # No beat is at work here, so that the deployment is not ready.
    assert {path: status for path, status in answered.items() if status != 200} == {"/readyz": 503}


async def _ask(filled: Filled) -> dict[str, int]:
    site = site_of(filled.here)
    transport = httpx.ASGITransport(create_web(_office(filled.here, site)))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{site.host}:{site.port}") as client:
        described = (await client.get("/openapi.json")).json()["paths"]
        asked = [path.format(**NUMBERS) for path, ways in described.items() if "get" in ways]
        return {path: (await client.get(path)).status_code for path in (*asked, *FURTHER)}


SCENARIOS = (everything_is_asked_that_the_web_tells,)
