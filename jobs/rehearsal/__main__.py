"""`python -m jobs.rehearsal`: a day of 64 spot nodes in minutes, and the table of what it cost."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import tyro

from cluster.fleet.job import Verdict
from jobs.rehearsal.run import Costs, RehearsalConfig, Result, rehearse


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """What a store asks, in dollars a thousand requests; S3 Standard, us-east-1, as published."""

    put: float = 0.005
    """PUT, and LIST."""
    get: float = 0.0004
    """GET, and HEAD."""
    delete: float = 0.0

    def of(self, kind: str) -> float:
        """Return the price of one request of a kind."""
        prices = {"PUT": self.put, "LIST": self.put, "DELETE": self.delete}
        return prices.get(kind, self.get) / 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """A rehearsal and how it is priced."""

    rehearsal: RehearsalConfig = field(default_factory=RehearsalConfig)
    prices: Prices = field(default_factory=Prices)


def rows(config: RehearsalConfig, result: Result, prices: Prices) -> list[tuple[str, str]]:
    """Return what happened, a line each."""
    ledger, workers = result.ledger, config.shape.workers
    lived = ledger.lived_s / 3600
    redone = result.wasted_s / workers / 3600
    empty = lived - ledger.working_s / workers / 3600
    price = sum(number * prices.of(kind) for kind, number in result.requests.items())
    asked = ", ".join(f"{n:,} {kind}" for kind, n in sorted(result.requests.items()))
    verdicts = result.verdicts
    return [
        ("students planned, recorded", f"{result.planned:,}, {result.records:,}"),
        ("records lost, twice", f"{result.lost}, {result.twice}"),
        ("given up after their last attempt", f"{result.given_up}"),
        ("trained twice, found in the store", f"{result.overwritten}, {result.found}"),
        ("hours, recorded seconds times", f"{result.hours:.2f}, {result.factor:.2f}"),
        ("nodes ended, accelerators lost", f"{ledger.deaths:,}, {len(ledger.retired)}"),
        ("node-hours", f"{lived:,.1f}"),
        ("node-hours lost: redone", f"{redone:,.1f} ({redone / lived:.2%})"),
        ("node-hours lost: no job", f"{empty:,.1f} ({empty / lived:.2%})"),
        ("student-seconds wasted", f"{result.wasted_s:,.0f}"),
        (
            "attempts done, retried, lost",
            f"{verdicts[Verdict.DONE]:,}, {verdicts[Verdict.RETRY]:,}, {verdicts[Verdict.LOST]:,}",
        ),
        ("store requests", asked),
        ("answered 503", f"{result.refused:,}"),
        ("price of the requests", f"${price:,.2f}"),
        ("drivers' listings, simulated s", f"{result.listing_s:,.1f}"),
        ("calls of the queue", f"{ledger.operations:,}"),
    ]


def cost_rows(result: Result, costs: Costs) -> list[tuple[str, str]]:
    """Return what the rehearsal took of this machine, a line each."""
    plans = ", ".join(f"{seconds:.1f}" for seconds in costs.plan_cpu_s)
    return [
        ("CPU s of each driver's plan", plans),
        ("memory of driver, queue, MB", f"{costs.driver_mb:,.0f}, {costs.queue_mb:,.0f}"),
        ("memory at most, MB", f"{costs.peak_mb:,.0f}"),
        ("CPU s, wall s", f"{costs.cpu_s:,.1f}, {costs.wall_s:,.1f}"),
        ("calls of the queue a CPU s", f"{result.ledger.operations / costs.cpu_s:,.0f}"),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Rehearse and print; 1 if a record is lost or there twice."""
    config = (tyro.conf.OmitArgPrefixes,)
    options = tyro.cli(Options, args=arguments, prog="python -m jobs.rehearsal", config=config)
    # Tens of thousands of lost attempts are what is rehearsed, not news.
    logging.disable(logging.ERROR)
    try:
        result, costs = rehearse(options.rehearsal)
    finally:
        logging.disable(logging.NOTSET)
    shown = [*rows(options.rehearsal, result, options.prices), *cost_rows(result, costs)]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        print(f"{name:<{width}}  {value}")
    return int(result.lost > 0 or result.twice > 0)


if __name__ == "__main__":
    raise SystemExit(main())
