"""gRPC: builds and tunes of the service's store. A mixin, as `rpc.Calls` is."""

from __future__ import annotations

from serve import dass_pb2 as pb
from serve.proto import to_proto
from serve.rpc_door import Context, Guarded


class RunCalls(Guarded):
    """One method."""

    async def ListRuns(self, request: pb.RunsRequest, grpc_context: Context) -> pb.RunList:
        """Tell how builds and tunes of the service's store stand."""
        with self._door(request, grpc_context, reads=True):
            found = await self.admission.in_thread(self.admission.ranker.runs.all)
            return to_proto(found, pb.RunList)
