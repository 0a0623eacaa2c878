"""Jobs as protocols ask for them: teacher and budget resolved and checked before they are kept.

Between ranker and store of jobs. Knows nothing of protocols, nor of who does the jobs.
"""

from __future__ import annotations

from collections.abc import Callable

from dass.errors import InvalidConfig
from dass.pipeline.compression.asked import DEFAULT_FRACTION
from serve.job_store import Jobs
from serve.job_wire import JobRequest, JobSummary
from serve.limits import InvalidRequest
from serve.ranker import Ranker
from serve.requests import SearchRequest, Support

BUDGET = ("max_flops_share", "max_parameters", "max_latency_ms", "latency_table", "precision",
          "batch")  # fmt: skip
"""What a job and a search have in common."""
FREE = ("max_flops_share", "max_parameters", "max_latency_ms")
"""Limits of a job."""


def create(
    jobs: Jobs, ranker: Ranker, request: JobRequest, *, search: Callable[[str], SearchRequest]
) -> JobSummary:
    """Check a job and keep it.

    Args:
        jobs: where.
        ranker: checks teacher and budget, as of a search.
        request: the job.
        search: returns what a kept search was asked for, by its id.

    Raises:
        InvalidRequest: it is of no teacher, or of two; raises too as `Jobs.create` and a search.
    """
    jobs.check(request)
    request, same = _resolved(request, ranker, search)
    ranker.check_search(same.plain())
    known = [Support.of(student) for student in ranker.known(same.plain())]
    return jobs.create(request, same.model_copy(update={"support": known}))


def _resolved(
    request: JobRequest, ranker: Ranker, search: Callable[[str], SearchRequest]
) -> tuple[JobRequest, SearchRequest]:
    """Return a job with teacher and budget, and the search whose students it trains."""
    if (request.teacher is None) == (request.search is None):
        raise InvalidRequest("exactly one of `teacher` and `search` must be given")
    if request.search is None:
        assert request.teacher is not None, "one of both is there"
        wanted = {name: getattr(request, name) for name in (*BUDGET, "seed")}
        if all(wanted[name] is None for name in FREE):
            wanted["max_flops_share"] = DEFAULT_FRACTION
        return request, SearchRequest(teacher=request.teacher, **wanted)
    given = [name for name in FREE if getattr(request, name) is not None]
    if given or "seed" in request.model_fields_set:
        raise InvalidConfig(
            "a job of a `search` must have that one's budget and seed: leave limits and `seed` out"
        )
    found = search(request.search)
    changes = {name: getattr(found, name) for name in ("teacher", "seed", *BUDGET)}
    if found.max_flops is not None:
        flops = ranker.facts(found.teacher).flops
        changes["max_flops_share"] = min(1.0, found.max_flops / flops)
    return request.model_copy(update=changes), found
