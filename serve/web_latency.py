"""HTTP: latency tables, by which searches have milliseconds."""

from fastapi import FastAPI, Request

from serve import latency_wire
from serve.admission import Admission
from serve.openapi import latency_table
from serve.wire import Name


def add_latency(http: FastAPI, admission: Admission) -> None:
    """Add the calls to an application."""
    tables = admission.ranker.latency

    @http.get("/v1/latency-tables", tags=["latency"])
    async def list_latency_tables() -> latency_wire.LatencyTableList:
        """List the latency tables of the predictor's space."""
        return latency_wire.LatencyTableList(tables=await admission.in_thread(tables.all))

    @http.get("/v1/latency-tables/{name}", tags=["latency"])
    async def get_latency_table(name: Name) -> latency_wire.LatencyTable:
        """Describe a latency table: its device, precisions, batches and how sure it is."""
        return await admission.in_thread(lambda: tables.facts(name))

    @http.put(
        "/v1/latency-tables/{name}",
        status_code=201,
        tags=["latency"],
        openapi_extra=latency_table(admission.ranker.space),
    )
    async def put_latency_table(name: Name, request: Request) -> latency_wire.LatencyTable:
        """Keep a latency table, the file of `dass latency` as the body; the same again is fine."""
        data = await request.body()
        return await admission.upload(lambda: tables.put(name, data))

    @http.delete("/v1/latency-tables/{name}", status_code=204, tags=["latency"])
    async def delete_latency_table(name: Name) -> None:
        """Remove a latency table; searches that were answered by it stay as they are."""
        await admission.in_thread(lambda: tables.delete(name))
