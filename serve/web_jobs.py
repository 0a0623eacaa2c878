"""HTTP: jobs that train, where the operator lets the service do so."""

from typing import Annotated

from fastapi import Body, FastAPI, Response
from fastapi.openapi.models import Example
from fastapi.responses import StreamingResponse

from serve import job_wire, jobs
from serve.admission import Admission
from serve.requests import SearchRequest
from serve.wire import SearchName

TRAIN: dict[str, Example] = {
    "half of the teacher's FLOPs": {
        "value": {"teacher": "digits", "data": "digits", "max_flops_share": 0.5, "minutes": 10.0}
    },
    "short trainings alone": {"value": {"kind": "verify", "teacher": "digits", "data": "digits"}},
}
BYTES = {200: {"content": {"application/octet-stream": {"schema": {"type": "string",
         "format": "binary"}}}, "description": "The file."}}  # fmt: skip


def add_jobs(http: FastAPI, admission: Admission) -> None:
    """Add the calls to an application."""
    kept = admission.jobs

    @http.post("/v1/jobs", status_code=201, tags=["jobs"])
    async def create_job(
        request: Annotated[job_wire.JobRequest, Body(openapi_examples=TRAIN)],
    ) -> job_wire.JobSummary:
        """Start a job: short trainings of a search's best, or a whole student with its report."""

        def asked(name: str) -> SearchRequest:
            return admission.searches.kept.get(name).request

        return await admission.in_thread(
            lambda: jobs.create(kept, admission.ranker, request, search=asked)
        )

    @http.get("/v1/jobs", tags=["jobs"])
    async def list_jobs() -> job_wire.JobList:
        """List the jobs that the service keeps, newest first, and the images that they may use."""
        return await admission.in_thread(kept.all)

    @http.get("/v1/jobs/{job}", tags=["jobs"])
    async def get_job(job: SearchName) -> job_wire.Job:
        """Tell how a job stands, what it said, and what came of it."""
        return await admission.in_thread(lambda: kept.get(job))

    @http.post("/v1/jobs/{job}/cancel", tags=["jobs"])
    async def cancel_job(job: SearchName) -> job_wire.Job:
        """Stop a job and keep what it said; one that has ended stays as it is."""
        await admission.in_thread(lambda: kept.cancel(job))
        return await admission.in_thread(lambda: kept.get(job))

    @http.delete("/v1/jobs/{job}", status_code=204, tags=["jobs"])
    async def delete_job(job: SearchName) -> None:
        """Remove a job and all that came of it; one that is under way stops."""
        await admission.in_thread(lambda: kept.delete(job))

    _add_files(http, admission)


def _add_files(http: FastAPI, admission: Admission) -> None:
    kept = admission.jobs

    @http.get(
        "/v1/jobs/{job}/files/{file}",
        tags=["jobs"],
        response_class=Response,
        responses=BYTES,  # type: ignore[arg-type]
    )
    async def get_job_file(job: SearchName, file: job_wire.FileName) -> Response:
        """Download what came of a job: report.html, model.onnx, infer.py and so on."""
        size, parts = await admission.in_thread(lambda: kept.file(job, file))
        # Never shown as a page of ours: a report is of whoever trained.
        attached = f'attachment; filename="{file}"'
        headers = {"content-disposition": attached, "content-length": str(size)}
        media = "application/octet-stream"
        return StreamingResponse(admission.iterated(parts), media_type=media, headers=headers)
