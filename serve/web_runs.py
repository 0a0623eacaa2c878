"""HTTP: builds and tunes of the service's store, watched."""

from fastapi import FastAPI

from serve import run_wire
from serve.admission import Admission


def add_runs(http: FastAPI, admission: Admission) -> None:
    """Add the call to an application."""

    @http.get("/v1/runs", tags=["runs"])
    async def list_runs() -> run_wire.RunList:
        """Tell how builds and tunes of the service's store stand, and what they have cost."""
        return await admission.in_thread(admission.ranker.runs.all)
