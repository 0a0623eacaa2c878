"""gRPC: latency tables. A mixin, as `rpc.Calls` is. Knows nothing of Ray."""

from __future__ import annotations

from serve import dass_pb2 as pb
from serve import latency_wire
from serve.proto import from_proto, to_proto
from serve.rpc_door import Context, Guarded


class LatencyCalls(Guarded):
    """One method per call."""

    async def ListLatencyTables(
        self, request: pb.LatencyTablesRequest, grpc_context: Context
    ) -> pb.LatencyTableList:
        """List the latency tables of the predictor's space."""
        with self._door(request, grpc_context, reads=True):
            tables = await self.admission.in_thread(self.admission.ranker.latency.all)
            return to_proto(latency_wire.LatencyTableList(tables=tables), pb.LatencyTableList)

    async def GetLatencyTable(
        self, request: pb.LatencyTableName, grpc_context: Context
    ) -> pb.LatencyTable:
        """Describe a latency table."""
        with self._door(request, grpc_context, reads=True):
            name = from_proto(request, latency_wire.LatencyTableName).name
            tables = self.admission.ranker.latency
            found = await self.admission.in_thread(lambda: tables.facts(name))
            return to_proto(found, pb.LatencyTable)

    async def PutLatencyTable(
        self, request: pb.PutLatencyTableRequest, grpc_context: Context
    ) -> pb.LatencyTable:
        """Keep a latency table."""
        with self._door(request, grpc_context):
            new = from_proto(request, latency_wire.PutLatencyTableRequest)
            tables = self.admission.ranker.latency
            found = await self.admission.upload(lambda: tables.put(new.name, new.table))
            return to_proto(found, pb.LatencyTable)

    async def DeleteLatencyTable(
        self, request: pb.LatencyTableName, grpc_context: Context
    ) -> pb.LatencyTableName:
        """Remove a latency table."""
        with self._door(request, grpc_context):
            name = from_proto(request, latency_wire.LatencyTableName).name
            tables = self.admission.ranker.latency
            await self.admission.in_thread(lambda: tables.delete(name))
            return pb.LatencyTableName(name=name)
