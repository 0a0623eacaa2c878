"""Jobs as protocols ask for them: teacher and budget resolved and checked before they are kept.

Between ranker and store of jobs. Knows nothing of protocols, nor of who does the jobs.
"""

from __future__ import annotations

from collections.abc import Callable

from dass.errors import InvalidConfig
from serve.job_store import Jobs
from serve.job_wire import JobRequest, JobSummary
from serve.limits import InvalidRequest
from serve.ranker import Ranker
from serve.requests import SearchRequest

BUDGET = ("max_flops_share", "max_parameters", "max_latency_ms", "latency_table", "precision",
          "batch")  # fmt: skip
"""What a job and a search have in common."""
FREE = {"max_flops_share": None, "max_parameters": None, "max_latency_ms": None}


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
    request = _resolved(request, ranker, search)
    assert request.teacher is not None, "it is resolved"
    wanted = {name: getattr(request, name) for name in BUDGET}
    ranker.check_search(SearchRequest(teacher=request.teacher, **wanted).plain())
    return jobs.create(request)


def _resolved(
    request: JobRequest, ranker: Ranker, search: Callable[[str], SearchRequest]
) -> JobRequest:
    """Return a job with its teacher and budget; of a search those that it had."""
    if (request.teacher is None) == (request.search is None):
        raise InvalidRequest("exactly one of `teacher` and `search` must be given")
    if request.search is None:
        return request
    if any(getattr(request, name) is not None for name in FREE):
        raise InvalidConfig("a job of a `search` must have that one's budget: leave limits out")
    found = search(request.search)
    changes = {name: getattr(found, name) for name in ("teacher", *BUDGET)}
    if found.max_flops is not None:
        flops = ranker.facts(found.teacher).flops
        changes["max_flops_share"] = min(1.0, found.max_flops / flops)
    return request.model_copy(update=changes)
