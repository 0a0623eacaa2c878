"""gRPC: the methods of `dass.v1.Ranker` and of `grpc.health.v1.Health` over an admission.

A mixin of plain coroutines that Ray Serve (or any grpc.aio server) calls by name. A refusal sets
code and details on the call's context and is raised. Knows nothing of Ray.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from dass.errors import DassError, StorageError
from serve import dass_pb2 as pb
from serve import wire
from serve.admission import Admission
from serve.limits import TooLarge, Unauthenticated
from serve.proto import from_proto, to_proto

SERVING, NOT_SERVING = 1, 2
"""Of `grpc.health.v1.HealthCheckResponse`."""

CLOSED = (
    "gRPC listens on every interface and no token is set, so calls are refused: start the service "
    "with DASS_TOKEN in its environment, or with --insecure"
)


class Calls:
    """One method per call; needs an admission, and whether calls without any token are served."""

    admission: Admission
    insecure: bool

    async def ListTeachers(self, request: Any, grpc_context: Any) -> pb.TeacherList:
        """List the teachers whose students can be ranked."""
        with self._door(request, grpc_context):
            found = await self.admission.in_thread(self.admission.ranker.teachers)
            teachers = [wire.Teacher.of(teacher) for teacher in found]
            return to_proto(wire.TeacherList(teachers=teachers), pb.TeacherList)

    async def GetTeacher(self, request: Any, grpc_context: Any) -> pb.Teacher:
        """Describe a teacher."""
        with self._door(request, grpc_context):
            name = from_proto(request, wire.TeacherName).name
            found = await self.admission.in_thread(lambda: self.admission.ranker.describe(name))
            return to_proto(wire.Teacher.of(found), pb.Teacher)

    async def RegisterTeacher(self, request: Any, grpc_context: Any) -> pb.Teacher:
        """Add a teacher."""
        with self._door(request, grpc_context):
            new = from_proto(request, wire.Registration).plain()
            found = await self.admission.in_thread(lambda: self.admission.ranker.register(new))
            return to_proto(wire.Teacher.of(found), pb.Teacher)

    async def DeleteTeacher(self, request: Any, grpc_context: Any) -> pb.TeacherName:
        """Remove a teacher."""
        with self._door(request, grpc_context):
            name = from_proto(request, wire.TeacherName).name
            await self.admission.in_thread(lambda: self.admission.ranker.delete(name))
            return pb.TeacherName(name=name)

    async def Search(self, request: Any, grpc_context: Any) -> pb.SearchReply:
        """Rank students."""
        with self._door(request, grpc_context):
            reply = await self.admission.search(from_proto(request, wire.SearchRequest))
            return to_proto(reply, pb.SearchReply)

    async def StreamSearch(self, request: Any, grpc_context: Any) -> AsyncIterator[pb.SearchReply]:
        """Rank students, with a reply after every generation."""
        with self._door(request, grpc_context):
            wanted = from_proto(request, wire.SearchRequest)
            async with contextlib.aclosing(self.admission.stream(wanted)) as replies:
                async for reply in replies:
                    yield to_proto(reply, pb.SearchReply)

    async def Score(self, request: Any, grpc_context: Any) -> pb.ScoreReply:
        """Predict given students."""
        with self._door(request, grpc_context):
            reply = await self.admission.score(from_proto(request, wire.ScoreRequest))
            return to_proto(reply, pb.ScoreReply)

    async def GetSpace(self, request: Any, grpc_context: Any) -> pb.Space:
        """Describe the search space."""
        with self._door(request, grpc_context):
            return to_proto(wire.Space.of(self.admission.ranker), pb.Space)

    async def GetPredictor(self, request: Any, grpc_context: Any) -> pb.Predictor:
        """Describe the predictor and the limits."""
        with self._door(request, grpc_context):
            return to_proto(wire.Predictor.of(self.admission.ranker), pb.Predictor)

    async def Check(self, request: Any) -> Any:
        """Return whether store, predictor and scorers answer (`grpc.health.v1`); no token."""
        from grpc_health.v1 import health_pb2

        try:
            await self.admission.in_thread(self.admission.ranker.check_ready)
        except DassError:
            return health_pb2.HealthCheckResponse(status=NOT_SERVING)
        return health_pb2.HealthCheckResponse(status=SERVING)

    @contextlib.contextmanager
    def _door(self, request: Any, context: Any) -> Iterator[None]:
        """Let a call in that has the token and no excess; turn what goes wrong into its status."""
        try:
            self._check_token(context)
            self._check_size(request)
            yield
        except (DassError, StorageError) as error:
            _, code = wire.status(error)
            context.set_code(code)
            context.set_details(wire.explain(error).message)
            raise

    def _check_token(self, context: Any) -> None:
        if self.admission.token_digest is None and not self.insecure:
            raise Unauthenticated(CLOSED)
        self.admission.check_token(dict(context.invocation_metadata()).get("authorization"))

    def _check_size(self, request: Any) -> None:
        limits = self.admission.ranker.limits
        uploads = limits.upload_bytes if isinstance(request, pb.Registration) else 0
        if request.ByteSize() > limits.request_bytes + uploads:
            raise TooLarge(
                f"a request must have at most {limits.request_bytes + uploads:,} bytes, but has "
                f"{request.ByteSize():,}"
            )
