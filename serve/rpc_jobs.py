"""gRPC: jobs that train. A mixin, as `rpc.Calls` is. Knows nothing of Ray."""

from __future__ import annotations

from collections.abc import AsyncIterator

from serve import dass_pb2 as pb
from serve import job_wire, jobs
from serve.proto import from_proto, to_proto
from serve.requests import SearchRequest
from serve.rpc_door import Context, Guarded


class JobCalls(Guarded):
    """One method per call."""

    async def CreateJob(self, request: pb.JobRequest, grpc_context: Context) -> pb.JobSummary:
        """Start a job."""
        with self._door(request, grpc_context):
            wanted, admission = from_proto(request, job_wire.JobRequest), self.admission

            def asked(name: str) -> SearchRequest:
                return admission.searches.kept.get(name).request

            made = await admission.in_thread(
                lambda: jobs.create(admission.jobs, admission.ranker, wanted, search=asked)
            )
            return to_proto(made, pb.JobSummary)

    async def ListJobs(self, request: pb.JobsRequest, grpc_context: Context) -> pb.JobList:
        """List the jobs that the service keeps, newest first."""
        with self._door(request, grpc_context, reads=True):
            return to_proto(await self.admission.in_thread(self.admission.jobs.all), pb.JobList)

    async def GetJob(self, request: pb.JobName, grpc_context: Context) -> pb.Job:
        """Return how a job stands, what it said, and what came of it."""
        with self._door(request, grpc_context, reads=True):
            return await self._job(from_proto(request, job_wire.JobName).id)

    async def CancelJob(self, request: pb.JobName, grpc_context: Context) -> pb.Job:
        """Stop a job and keep what it said."""
        with self._door(request, grpc_context):
            name = from_proto(request, job_wire.JobName).id
            await self.admission.in_thread(lambda: self.admission.jobs.cancel(name))
            return await self._job(name)

    async def DeleteJob(self, request: pb.JobName, grpc_context: Context) -> pb.JobName:
        """Remove a job and all that came of it."""
        with self._door(request, grpc_context):
            name = from_proto(request, job_wire.JobName).id
            await self.admission.in_thread(lambda: self.admission.jobs.delete(name))
            return pb.JobName(id=name)

    async def GetJobFile(
        self, request: pb.JobFileName, grpc_context: Context
    ) -> AsyncIterator[pb.JobFileContent]:
        """Return a file that came of a job, part by part."""
        with self._door(request, grpc_context, reads=True):
            asked, kept = from_proto(request, job_wire.JobFileName), self.admission.jobs
            _, parts = await self.admission.in_thread(lambda: kept.file(asked.id, asked.name))
            async for part in self.admission.iterated(parts):
                yield pb.JobFileContent(content=part)

    async def _job(self, name: str) -> pb.Job:
        found = await self.admission.in_thread(lambda: self.admission.jobs.get(name))
        return to_proto(found, pb.Job)
