"""HTTP: searches that the service keeps, to be shared, compared and come back to."""

from typing import Annotated

from fastapi import Body, FastAPI, Query

from serve import replies, requests
from serve.admission import Admission
from serve.openapi import SEARCH, Key
from serve.wire import PageSize, SearchName


def add_searches(http: FastAPI, admission: Admission) -> None:
    """Add the calls to an application."""
    searches = admission.searches

    @http.post("/v1/searches", status_code=201, tags=["searches"])
    async def create_search(
        request: Annotated[requests.StreamedSearchRequest, Body(openapi_examples=SEARCH)],
        idempotency_key: Key = None,
    ) -> replies.SearchSummary:
        """Start a search that the service keeps; takes what `/v1/search` does.

        The answer comes at once, the search goes on whoever waits for it. The same
        `Idempotency-Key` again is the same search, whichever replica is asked.
        """
        return await searches.create(request, key=idempotency_key)

    @http.get("/v1/searches", tags=["searches"])
    async def list_searches(
        limit: Annotated[PageSize, Query(description="Most of one page.")] = 20,
        after: Annotated[
            SearchName | None, Query(description="`next` of the page before.")
        ] = None,
    ) -> replies.SearchList:
        """List the searches that the service keeps, newest first."""
        return await searches.page(limit=limit, after=after)

    @http.get("/v1/searches/{id}", tags=["searches"])
    async def get_search(id: SearchName) -> replies.StoredSearch:
        """Tell how a search stands, and what came of it."""
        return await searches.get(id)

    @http.delete("/v1/searches/{id}", status_code=204, tags=["searches"])
    async def delete_search(id: SearchName) -> None:
        """Remove a search; one that is under way stops."""
        await searches.delete(id)
