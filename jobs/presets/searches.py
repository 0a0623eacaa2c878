"""Searches: the same question in every space.

Knows nothing of command lines.
"""

from __future__ import annotations

from jobs.search import SearchJobConfig


def search(space: str) -> SearchJobConfig:
    """Two thousand candidates within half of the teacher's FLOPs."""
    return SearchJobConfig(store=f"runs/{space}", max_flops_share=0.5)
