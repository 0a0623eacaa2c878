"""gRPC: searches that the service keeps. A mixin, as `rpc.Calls` is. Knows nothing of Ray."""

from __future__ import annotations

from serve import dass_pb2 as pb
from serve import requests
from serve.proto import from_proto, to_proto
from serve.rpc_door import Context, Guarded

KEY = "idempotency-key"
"""Metadata that makes a search that is posted twice one."""


class SearchCalls(Guarded):
    """One method per call."""

    async def CreateSearch(
        self, request: pb.SearchRequest, grpc_context: Context
    ) -> pb.SearchSummary:
        """Start a search that the service keeps."""
        with self._door(request, grpc_context, reads=True):
            key = dict(grpc_context.invocation_metadata()).get(KEY) or None
            wanted = from_proto(request, requests.SearchRequest)
            return to_proto(
                await self.admission.searches.create(wanted, key=key), pb.SearchSummary
            )

    async def ListSearches(
        self, request: pb.ListSearchesRequest, grpc_context: Context
    ) -> pb.SearchList:
        """List the searches that the service keeps, newest first."""
        with self._door(request, grpc_context, reads=True):
            page = from_proto(request, requests.ListSearchesRequest)
            found = await self.admission.searches.page(limit=page.limit, after=page.after)
            return to_proto(found, pb.SearchList)

    async def GetSearch(self, request: pb.SearchId, grpc_context: Context) -> pb.StoredSearch:
        """Return how a search stands and what came of it."""
        with self._door(request, grpc_context, reads=True):
            name = from_proto(request, requests.SearchId).id
            return to_proto(await self.admission.searches.get(name), pb.StoredSearch)

    async def DeleteSearch(self, request: pb.SearchId, grpc_context: Context) -> pb.SearchId:
        """Remove a search; one that is under way stops."""
        with self._door(request, grpc_context):
            name = from_proto(request, requests.SearchId).id
            await self.admission.searches.delete(name)
            return pb.SearchId(id=name)
