"""Many short jobs on Ray: the driver of a run, and one group of Ray Train workers a node.

A node is the failure domain: the group's workers, its controller and the task that waits for it
all live there and go together, and more nodes mean more groups. Knows nothing of what a worker
does (`drain.py`), nor of who gets which job (`queue.py`).
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.fleet.child import Work, describe, sealed
from cluster.fleet.dispatcher import Dispatcher, State
from cluster.fleet.drain import drain
from cluster.fleet.job import (
    FleetError,
    Job,
    Outcome,
    Placement,
    failed_at_start,
)
from cluster.fleet.local import Show
from cluster.fleet.meters import RayMeters
from cluster.fleet.watch import TICK_S, Node, Watch, sealed_jobs, staffed

logger = logging.getLogger(__name__)

NODE_LABEL = "ray.io/node-id"
"""Label that Ray gives every node."""
GROUP_FAILURES = 20
"""Restarts of one group by Train, until the driver starts it anew."""
STRIKES = 3
"""Groups in a row that may end before any job did, until the run is given up."""


def run_on_ray(
    jobs: Sequence[Job],
    work: Work,
    *,
    placement: Placement,
    retries: int = 2,
    progress: Show | None = None,
    lease_s: float = 60.0,
) -> Outcome:
    """Do every job on the cluster this process is connected to, one worker group a node.

    The signature and promises of `run_inline`; what happens when a node, the queue or the store
    fails is told in docs/operations.md.

    Args:
        placement: what a worker takes.
        lease_s: seconds of silence after which a worker is taken for dead; > 0.

    Raises:
        FleetError: the workers died before they could take a job, or no node has room for one.
    """
    return _Driver(jobs, work, placement=placement, retries=retries, lease_s=lease_s).run(progress)


class JobQueue(Dispatcher):
    """The dispatcher with meters of the process it runs in; the name people see."""

    def __init__(self, jobs: Sequence[Job], *, retries: int, lease_s: float) -> None:
        super().__init__(jobs, retries=retries, lease_s=lease_s, meters=RayMeters())


@dataclass(frozen=True, slots=True)
class _Group:
    node: str
    workers: int
    done_before: int


def _nodes() -> list[dict[str, Any]]:
    """Return the nodes that are alive."""
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


class _Driver:
    """The driver of one run: keeps a queue, and a group on every node that has room."""

    def __init__(
        self,
        jobs: Sequence[Job],
        work: Work,
        *,
        placement: Placement,
        retries: int,
        lease_s: float,
    ) -> None:
        self._jobs = sealed_jobs(jobs)
        self._placement = placement
        self._watch = Watch(self._jobs, self._call)
        self._name = f"queue-{uuid.uuid4().hex[:12]}"
        self._settings = {
            "dispatcher": self._name,
            "work": sealed(work),
            "lanes": placement.lanes,
        }
        self._groups: dict[Any, _Group] = {}
        self._strikes = 0
        self._started = time.monotonic()
        here = ray.get_runtime_context().get_node_id()
        # Kept: the queue is started anew from it, and Ray forgets what no one refers to.
        self._kept = ray.put(self._jobs)
        self._dispatcher: Any = (
            ray.remote(JobQueue)
            .options(
                name=self._name,
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=-1,
                scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=True),
            )
            .remote(self._kept, retries=retries, lease_s=lease_s)
        )

    def run(self, show: Show | None) -> Outcome:
        """Keep groups on all nodes until every job is done or failed."""
        try:
            while True:
                state = self._ask()
                if show is not None:
                    show(state.progress)
                if state.broken:
                    raise FleetError(state.broken)
                if state.finished:
                    break
                self._remove_ended(state)
                self._ensure_groups(state)
        finally:
            self._end()
        return Outcome(
            done=len(self._jobs) - len(state.failures),
            failed=state.failures,
            seconds=time.monotonic() - self._started,
        )

    def _ask(self) -> State:
        """Ask the queue where it stands; open it if it is new or came to life again."""
        try:
            return self._watch.ask(time.monotonic() - self._started)
        except RayActorError as error:
            raise FleetError(
                f"the queue must be reachable, but is lost ({describe(error)}); what is "
                "published is safe: run the same line again"
            ) from error

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        return ray.get(getattr(self._dispatcher, method).remote(*arguments, **named))

    def _remove_ended(self, state: State) -> None:
        """Forget groups that ended, and take their jobs back."""
        if not self._groups:
            time.sleep(TICK_S)
            return
        ended, _ = ray.wait(list(self._groups), timeout=TICK_S, fetch_local=False)
        for reference in ended:
            group = self._groups.pop(reference)
            try:
                ray.get(reference)
                continue  # it found the queue empty
            except (RayError, RayTaskError) as error:
                text = describe(error)[:500]
            logger.warning("the group of node %s ended: %s", group.node[:8], text)
            ray.get(self._dispatcher.lose.remote(f"{group.node}/"))
            idle = state.progress.done + state.progress.failed == group.done_before
            self._strikes = self._strikes + 1 if idle and self._alive(group.node) else 0
            if self._strikes >= STRIKES:
                raise FleetError(failed_at_start(self._strikes, text))

    def _ensure_groups(self, state: State) -> None:
        """Start a group on every node that has room and none, within the most workers asked."""
        open_jobs = state.progress.total - state.progress.done - state.progress.failed
        wanted = staffed(
            (Node(node["NodeID"], node["Resources"]) for node in _nodes()),
            {group.node: group.workers for group in self._groups.values()},
            placement=self._placement,
            open_jobs=open_jobs,
            retired=self._watch.retired,
        )
        for node, workers in wanted:
            self._start(node, workers, state)
        self._watch.check_room(
            bool(self._groups), self._placement, seconds=time.monotonic() - self._started
        )

    def _start(self, node: str, workers: int, state: State) -> None:
        resources = {"CPU": self._placement.cpus}
        if self._placement.gpus:
            resources["GPU"] = self._placement.gpus
        logger.info("start a group of %d workers on node %s", workers, node[:8])
        reference = run_group.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote(self._settings | {"node": node}, workers, resources)
        done = state.progress.done + state.progress.failed
        self._groups[reference] = _Group(node=node, workers=workers, done_before=done)

    def _alive(self, node: str) -> bool:
        return any(n["NodeID"] == node for n in _nodes())

    def _end(self) -> None:
        """Let groups that found the queue empty go; stop the others."""
        with contextlib.suppress(RayError):
            references = list(self._groups)
            if references:
                _, late = ray.wait(
                    references, num_returns=len(references), timeout=10, fetch_local=False
                )
                for reference in late:
                    ray.cancel(reference, force=True)
            ray.kill(self._dispatcher)


@ray.remote(num_cpus=0, max_retries=0)
def run_group(settings: Mapping[str, Any], workers: int, resources: Mapping[str, float]) -> None:
    """Run one node's group to its end, from a task on that very node."""
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        # No TorchTrainer: NCCL refuses two ranks on one accelerator, and none needs another.
        DataParallelTrainer(
            drain,
            train_loop_config=dict(settings),
            scaling_config=ScalingConfig(
                num_workers=workers,
                use_gpu=resources.get("GPU", 0) > 0,
                resources_per_worker=dict(resources),
                label_selector={NODE_LABEL: settings["node"]},
            ),
            run_config=RunConfig(
                name=f"fleet-{uuid.uuid4().hex[:8]}",
                storage_path=folder,
                failure_config=FailureConfig(max_failures=GROUP_FAILURES),
            ),  # type: ignore[arg-type]  # this module knows the second version only
        ).fit()
