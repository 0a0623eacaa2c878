"""HTTP: measured students of a teacher, which its later searches are conditioned on."""

from typing import Annotated

from fastapi import Body, FastAPI
from fastapi.openapi.models import Example

from serve import requests
from serve.admission import Admission
from serve.wire import Id, Name


def add_students(http: FastAPI, admission: Admission) -> None:
    """Add the calls to an application."""
    ranker = admission.ranker
    one = {"architecture": str(ranker.space.smallest), "accuracy": 0.6, "epochs": 0}
    examples: dict[str, Example] = {"the cheapest student": {"value": {"students": [one]}}}

    @http.get("/v1/teachers/{name}/students", tags=["teachers"])
    async def list_students(name: Name) -> requests.StudentList:
        """List the measured students of a teacher."""
        return requests.StudentList.of(await admission.in_thread(lambda: ranker.students(name)))

    @http.post("/v1/teachers/{name}/students", status_code=201, tags=["teachers"])
    async def post_students(
        name: Name, request: Annotated[requests.StudentList, Body(openapi_examples=examples)]
    ) -> requests.StudentList:
        """Add measured students of a teacher: its later searches and scores use them.

        One of the same architecture and epochs replaces the former. Answers all of them.
        """
        found = await admission.in_thread(lambda: ranker.add_students(name, request.plain()))
        return requests.StudentList.of(found)

    @http.delete("/v1/teachers/{name}/students/{architecture}", status_code=204, tags=["teachers"])
    async def delete_student(name: Name, architecture: Id) -> None:
        """Forget a measured student of a teacher."""
        await admission.in_thread(lambda: ranker.remove_student(name, architecture))
