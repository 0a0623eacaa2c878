"""gRPC: the methods of `dass.v1.Ranker` and of `grpc.health.v1.Health` over an admission.

A mixin of plain coroutines that Ray Serve (or any grpc.aio server) calls by name. A refusal sets
code and details on the call's context and is raised. Knows nothing of Ray.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

from grpc_health.v1 import health_pb2

from dass.errors import DassError
from serve import dass_pb2 as pb
from serve import replies, requests
from serve.limits import Overloaded
from serve.proto import from_proto, to_proto
from serve.rpc_door import CLOSED as CLOSED
from serve.rpc_door import Context
from serve.rpc_jobs import JobCalls
from serve.rpc_latency import LatencyCalls
from serve.rpc_runs import RunCalls
from serve.rpc_searches import SearchCalls
from serve.rpc_students import StudentCalls

WATCHERS, WATCHED_S = 16, 5.0
"""Streams of health at once, and seconds between two looks."""


class Calls(SearchCalls, StudentCalls, LatencyCalls, RunCalls, JobCalls):
    """One method per call; needs an admission, and whether calls without any token are served."""

    watchers: int = 0

    async def ListTeachers(
        self, request: pb.ListTeachersRequest, grpc_context: Context
    ) -> pb.TeacherList:
        """List the teachers whose students can be ranked."""
        with self._door(request, grpc_context, reads=True):
            deleted = from_proto(request, requests.ListTeachersRequest).deleted
            ranker = self.admission.ranker
            found = await self.admission.in_thread(lambda: ranker.teachers(deleted=deleted))
            teachers = [replies.Teacher.of(teacher) for teacher in found]
            return to_proto(replies.TeacherList(teachers=teachers), pb.TeacherList)

    async def GetTeacher(self, request: pb.TeacherName, grpc_context: Context) -> pb.Teacher:
        """Describe a teacher."""
        with self._door(request, grpc_context, reads=True):
            name = from_proto(request, requests.TeacherName).name
            found = await self.admission.in_thread(lambda: self.admission.ranker.facts(name))
            return to_proto(replies.Teacher.of(found), pb.Teacher)

    async def RegisterTeacher(self, request: pb.Registration, grpc_context: Context) -> pb.Teacher:
        """Add a teacher."""
        with self._door(request, grpc_context):
            new = from_proto(request, requests.Registration).plain()
            found = await self.admission.in_thread(lambda: self.admission.ranker.register(new))
            return to_proto(replies.Teacher.of(found), pb.Teacher)

    async def DeleteTeacher(
        self, request: pb.TeacherName, grpc_context: Context
    ) -> pb.TeacherName:
        """Remove a teacher."""
        with self._door(request, grpc_context):
            name = from_proto(request, requests.TeacherName).name
            await self.admission.upload(lambda: self.admission.ranker.delete(name))
            return pb.TeacherName(name=name)

    async def PurgeTeacher(self, request: pb.TeacherName, grpc_context: Context) -> pb.TeacherName:
        """Remove a teacher for good."""
        with self._door(request, grpc_context):
            name = from_proto(request, requests.TeacherName).name
            ranker = self.admission.ranker
            await self.admission.in_thread(lambda: ranker.delete(name, purge=True))
            return pb.TeacherName(name=name)

    async def RestoreTeacher(self, request: pb.TeacherName, grpc_context: Context) -> pb.Teacher:
        """Restore a deleted teacher."""
        with self._door(request, grpc_context):
            name = from_proto(request, requests.TeacherName).name
            found = await self.admission.upload(lambda: self.admission.ranker.restore(name))
            return to_proto(replies.Teacher.of(found), pb.Teacher)

    async def Search(self, request: pb.SearchRequest, grpc_context: Context) -> pb.SearchReply:
        """Rank students."""
        with self._door(request, grpc_context, reads=True):
            reply = await self.admission.search(from_proto(request, requests.SearchRequest))
            return to_proto(reply, pb.SearchReply)

    async def StreamSearch(
        self, request: pb.SearchRequest, grpc_context: Context
    ) -> AsyncIterator[pb.SearchReply]:
        """Rank students, with a reply after every generation."""
        with self._door(request, grpc_context, reads=True):
            wanted = from_proto(request, requests.SearchRequest)
            async with contextlib.aclosing(self.admission.stream(wanted)) as stream:
                async for reply in stream:
                    yield to_proto(reply, pb.SearchReply)

    async def Score(self, request: pb.ScoreRequest, grpc_context: Context) -> pb.ScoreReply:
        """Predict given students."""
        with self._door(request, grpc_context, reads=True):
            reply = await self.admission.score(from_proto(request, requests.ScoreRequest))
            return to_proto(reply, pb.ScoreReply)

    async def GetSpace(self, request: pb.SpaceRequest, grpc_context: Context) -> pb.Space:
        """Describe the search space."""
        with self._door(request, grpc_context, reads=True):
            return to_proto(replies.Space.of(self.admission.ranker), pb.Space)

    async def GetPredictor(
        self, request: pb.PredictorRequest, grpc_context: Context
    ) -> pb.Predictor:
        """Describe the predictor and the limits."""
        with self._door(request, grpc_context, reads=True):
            return to_proto(replies.Predictor.of(self.admission.ranker), pb.Predictor)

    async def Check(
        self, request: health_pb2.HealthCheckRequest
    ) -> health_pb2.HealthCheckResponse:
        """Return whether store, predictor and scorers answer (`grpc.health.v1`); no token."""
        reply = health_pb2.HealthCheckResponse
        try:
            await self.admission.in_thread(self.admission.ranker.check_ready)
        except DassError:
            return reply(status=reply.NOT_SERVING)
        return reply(status=reply.SERVING)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, grpc_context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Tell what `Check` does, now and whenever it changes, for the time of a request."""
        with self._guard(grpc_context), self._watcher():
            until = time.monotonic() + self.admission.ranker.limits.seconds
            last = None
            while time.monotonic() < until:
                now = await self.Check(request)
                if last is None or now.status != last.status:
                    yield now
                last = now
                await asyncio.sleep(WATCHED_S)

    @contextlib.contextmanager
    def _watcher(self) -> Iterator[None]:
        if self.watchers >= WATCHERS:
            raise Overloaded(f"at most {WATCHERS} may watch at once, and so many do; ask `Check`")
        self.watchers += 1
        try:
            yield
        finally:
            self.watchers -= 1
