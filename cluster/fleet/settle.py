"""Decide what an attempt came to: tell the queue, and log what it decides.

Knows nothing of who works, nor where.
"""

from __future__ import annotations

import logging

from cluster.fleet.job import Job, Lease, Reply, Verdict
from cluster.fleet.queue import Queue

logger = logging.getLogger(__name__)


def settle(queue: Queue, lease: Lease, reply: Reply, *, now: float) -> Verdict:
    """Tell the queue what an attempt came to, and log what it decides."""
    if reply.error is None:
        return queue.finish(lease.job.key, token=lease.token, now=now)
    verdict = queue.fail(lease.token, reply.error, now=now, blameless=reply.blameless)
    log_verdict(lease.job, verdict, reply.error)
    return verdict


def log_verdict(job: Job, verdict: Verdict, error: str) -> None:
    """Log what the queue decided on an attempt that did not succeed."""
    if verdict is Verdict.FAILED:
        logger.error("give up %s: %s", job.name, error)
    elif verdict is not Verdict.DONE:
        logger.warning("%s %s: %s", verdict.value, job.name, error)
