"""Ask the service for students over HTTP.

    python examples/ask_service.py http://localhost:8000
    python examples/ask_service.py

With no address the application answers in this very process, from the shipped files: no Ray, no
port. `make serve` starts the real one.
"""

import asyncio
import json
import os
import sys

import httpx

from dass.registry import zoo
from serve.admission import Admission
from serve.ranker import Ranker
from serve.web import application


def connect():
    """Return a client of the service at the address that was given, or of one in process."""
    if sys.argv[1:]:
        bearer = {"authorization": f"Bearer {os.environ.get('DASS_TOKEN', '')}"}
        return httpx.AsyncClient(base_url=sys.argv[1], headers=bearer, timeout=120)
    service = application(Admission(Ranker.open(zoo.registry())))
    return httpx.AsyncClient(
        base_url="http://localhost", transport=httpx.ASGITransport(app=service)
    )


async def main():
    async with connect() as service:
        answer = await service.get("/v1/teachers")
        teachers = answer.raise_for_status().json()["teachers"]
        teacher = teachers[0]["name"]
        print(f"{len(teachers)} teachers; students of {teacher}:")

        search = {"teacher": teacher, "max_flops_share": 0.5, "candidates": 300, "k": 3}
        async with service.stream("POST", "/v1/search", json=search | {"stream": True}) as lines:
            async for line in lines.aiter_lines():  # one a generation; the last is the answer
                found = json.loads(line)
                best = found["top"][0]["accuracy"]
                print(f"  {found['scored']} scored, the best is predicted {100 * best:.1f} %")
        for student in found["top"]:
            print(f"  {student['architecture']}  {student['flops'] / 1e6:.2f} M FLOPs")

        refused = await service.post("/v1/search", json=search | {"teacher": "nobody"})
        print(f"an unknown teacher: {refused.status_code}, {refused.json()['error']['message']}")


asyncio.run(main())
