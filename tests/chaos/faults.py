"""Faults on purpose: a fleet on a cluster of several nodes on this machine, hurt again and again.

    python -m tests.chaos --faults 200

Prints what was done to it, what was lost (nothing may be), and the seconds each fault cost. A
killed run goes on with the same line; `--table` prints what there is.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from dass.store.store import Store
from tests.chaos.grounds import Here, ground, here, on_ground
from tests.chaos.report import KINDS, Report
from tests.chaos.store import FlakyStore, Mood
from tests.chaos.work import HURRY, drive, plan
from tests.hosts.machines import INSIDE

ROUND = 20
"""Faults until the store begins anew; a killed run repeats the one it was in."""
FATED = 4
"""Of these, jobs that fail by themselves."""
LASTS_S = {"store": (2, 6), "full": (2, 20), "disk": (2, 20), "cut": (5, 90)}
"""Shortest and longest seconds of what passes."""
NEED_ROOT = {"disk", "clock", "cut"}
WORDS = {"child": "cluster.fleet.child", "worker": "RayTrainWorker", "queue": "ray::JobQueue"}
MEND_S, LIMIT_S = 240, 1800
"""Seconds until dead nodes get power again; seconds until it is a failure."""
JUMP_S = 7200
"""Longest jump of a clock, to either side."""


@dataclass
class Siege:
    """One round under faults."""

    ground: object
    store: FlakyStore
    arguments: argparse.Namespace
    driver: subprocess.Popen | None = None
    cost: dict = field(default_factory=lambda: defaultdict(list))
    note: object = None
    mended: int = 0

    def start_driver(self):
        line = [sys.executable, "-m", "tests.chaos", "--drive", "--store", self.store.url]
        for name in ("jobs", "seconds", "fated", "seed"):
            line += [f"--{name}", str(getattr(self.arguments, name))]
        address = {"RAY_ADDRESS": self.ground.address}
        self.driver = subprocess.Popen(line, env=os.environ | address)

    def inject(self, kind, luck):
        """Do harm; return the seconds it lasted, `None` where there was nothing to harm."""
        lasts = luck.uniform(*LASTS_S.get(kind, (0, 0)))
        if kind == "cut":  # short ones as often as long ones
            lasts = LASTS_S[kind][0] * (LASTS_S[kind][1] / LASTS_S[kind][0]) ** luck.random()
        if kind in ("store", "full"):
            self.store.mood = Mood.DOWN if kind == "store" else Mood.FULL
            time.sleep(lasts)
            self.store.mood = Mood.WELL
        elif kind == "driver":
            self.driver.kill()
            self.driver.wait()
            self.start_driver()
        elif kind == "node":
            self.ground.replace(luck)
        elif kind == "cut":
            self.ground.cut(lasts, luck)
        elif kind == "disk":
            self.ground.fill(lasts, luck)
        elif kind == "clock":
            self.ground.jump(luck.randint(-JUMP_S, JUMP_S), luck)
        else:
            victims = self.ground.processes(WORDS[kind])
            if not victims:
                return None
            with contextlib.suppress(psutil.Error):
                luck.choice(victims).kill()
        return lasts

    def recovered_s(self):
        """Wait until every worker has published again; return the seconds it took too long.

        Nodes that are dead or do nothing for minutes get power again, as a cloud would do.
        """
        started, before = time.monotonic(), dict(self.store.by_node)
        wanted = {n: before.get(n, 0) + count for n, count in self.ground.publishers().items()}
        self.mended, patience = 0, MEND_S
        while late := [name for name, count in wanted.items() if self.store.by_node[name] < count]:
            waited = time.monotonic() - started
            if self.driver.poll() is not None:
                break
            if waited > patience:
                patience = waited + MEND_S
                self.mended += self.ground.mend(late)
            if waited > LIMIT_S:
                raise AssertionError(f"no recovery of {late} within {LIMIT_S} s")
            time.sleep(0.1)
        return max(0.0, time.monotonic() - started - self.arguments.seconds)

    def run(self, kinds):
        luck = random.Random(self.arguments.seed)
        self.start_driver()
        self.recovered_s()
        for kind in kinds:
            time.sleep(luck.uniform(0, 1))
            if self.driver.poll() is not None:
                break
            twice = self.store.twice
            harm = self.inject(kind, luck)
            if harm is None:
                continue
            self.cost[kind].append(self.recovered_s())
            fault = {"kind": kind, "harm_s": round(harm, 1)}
            fault |= {"lost_s": round(self.cost[kind][-1], 1), "twice": self.store.twice - twice}
            fault |= {"mended": self.mended}
            if self.note is not None:
                self.note(**fault)
            print(f"{fault}, {len(self.store.published)} records", flush=True)
        Store(self.store.url).write(HURRY, b"")
        return self.driver.wait(timeout=1800)


def siege(arguments, cluster, kinds):
    """Run jobs under faults on a cluster this process drives; return siege, exit code, counts.

    The nodes that are hurt are added to the cluster; its head is spared.
    """
    store, nodes = FlakyStore(), Here(cluster, arguments.nodes)
    run = Siege(nodes, store, arguments)
    try:
        code = run.run(kinds)
        return run, code, counts(store.url, arguments)
    finally:
        nodes.close()
        store.close()


def counts(url, arguments):
    """Count jobs, records, and what is lost or was done twice."""
    store = Store(url)
    records = {key.removeprefix("records/") for key in store.list("records")}
    published = [key.split("/")[1] for key in store.list("published")]
    shape = {"number": arguments.jobs, "seconds": arguments.seconds}
    jobs = plan(url, **shape, fated=arguments.fated, seed=arguments.seed)
    planned = {job.key for job in jobs}
    failing = {"job00000"} if arguments.fated else set()
    return {
        "jobs": len(planned),
        "records": len(records),
        "failed as planned": len(failing - records),
        "lost": len(planned - records - failing),
        "twice": len(published) - len(set(published)),
        "attempts": len(store.list("attempts")),
    }


def kinds_of(number, *, round_, seed, allowed):
    """Return the kinds of a round's faults: over the rounds each comes equally often."""
    first = number * round_
    kinds = [allowed[(first + i) % len(allowed)] for i in range(number)]
    random.Random(f"{seed}/{round_}").shuffle(kinds)
    return kinds


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=200, help="in all, those of jobs included")
    parser.add_argument("--jobs", type=int, default=1500, help="of one round")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one job")
    parser.add_argument("--nodes", type=int, default=3, help="beside the head")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--into", default="", help="the report; runs/chaos/SEED.jsonl")
    parser.add_argument("--table", action="store_true", help="print the report and end")
    parser.add_argument("--fated", type=int, default=FATED, help=argparse.SUPPRESS)
    parser.add_argument("--store", default="", help=argparse.SUPPRESS)
    parser.add_argument("--drive", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(words)


def fight(arguments, report, allowed):
    """Do the rounds that the report lacks."""
    place = ground if "cut" in allowed else here
    missing = [i for i in range(arguments.faults // ROUND) if i not in report.rounds]
    if not missing:
        return
    with place(arguments.nodes) as nodes:
        store = FlakyStore(nodes.host)
        for round_ in missing:
            store.empty()
            settings = argparse.Namespace(**vars(arguments) | {"seed": arguments.seed + round_})
            report.note("begin", round=round_)

            def note(round_=round_, **fault):
                report.note("fault", round=round_, **fault)

            run = Siege(nodes, store, settings, note=note)
            started = time.monotonic()
            code = run.run(
                kinds_of(ROUND - FATED, round_=round_, seed=arguments.seed, allowed=allowed)
            )
            report.note(
                "round",
                round=round_,
                code=code,
                fated=settings.fated,
                seconds=round(time.monotonic() - started),
                counts=counts(store.url, settings),
            )
            print(f"round {round_}: exit code {code}, {report.rounds[round_]['counts']}")
        store.close()


def main():
    arguments = parse()
    if arguments.drive:
        drive(arguments)
    report = Report(arguments.into or Path("runs", "chaos", f"{arguments.seed}.jsonl"))
    if not arguments.table:
        able = sys.platform == "linux" and os.geteuid() == 0
        if able and INSIDE not in os.environ:
            raise SystemExit(on_ground(sys.argv[1:]))
        if not able:
            print(f"left out, since they need Linux and root: {', '.join(sorted(NEED_ROOT))}")
        allowed = [kind for kind in KINDS if able or kind not in NEED_ROOT]
        fight(arguments, report, allowed)
    print(report.table())
    raise SystemExit(0 if report.is_good() else 1)
