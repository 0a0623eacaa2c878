"""Search a space for the students of one teacher that score best within a budget.

Two algorithms, random and regularised evolution, over any `Scorer`. A generator of generations,
so that a caller can show progress or stop. Knows nothing of training, files or requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from dass.errors import InvalidConfig
from dass.networks.teacher import Teacher
from dass.predictor.records import Measured
from dass.predictor.scorer import Scorer
from dass.searching.evolution_config import SearchConfig
from dass.searching.pareto import pareto_front
from dass.searching.prediction import Prediction, predictions
from dass.space.architecture import Architecture
from dass.space.cost import Budget

FEW = 256
"""Members that a budget may leave for them to be listed, not drawn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """The state of a search after some candidates; the last one is the answer."""

    scored: int
    """Distinct candidates scored so far."""
    top: tuple[Prediction, ...]
    """The best so far, best first."""
    pareto: tuple[Prediction, ...]
    """Those that no candidate beats in both cost and prediction, cheapest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SecondLook:
    """Who orders the best candidates of a search once more, knowing more and taking longer."""

    scorer: Scorer
    students: int = 64
    """Best candidates that are looked at, beside those of the Pareto front; >= 1."""

    def __post_init__(self) -> None:
        if self.students < 1:
            raise InvalidConfig(
                f"a second look must be at one student or more, but got {self.students}"
            )


Costs = Callable[[Sequence[Architecture]], Sequence[float]]
"""What each of some architectures costs."""


def search(
    scorer: Scorer,
    teacher: Teacher,
    budget: Budget,
    *,
    config: SearchConfig,
    support: Sequence[Measured] = (),
    costs: Costs | None = None,
    second: SecondLook | None = None,
) -> Iterator[Generation]:
    """Score candidates within the budget, generation by generation.

    After a second look the best are those that were looked at, whose predictions are the second
    scorer's, and the Pareto front is among them; whom it did not look at comes after them.

    Args:
        scorer: the predictor, or a baseline.
        teacher: whose students are sought.
        budget: what a student may cost.
        config: how.
        support: measured students of this teacher for the predictor to adapt on as well.
        costs: of the Pareto front; None for FLOPs.
        second: who looks at the best once more, at the end.

    Raises:
        InfeasibleBudget: not even the cheapest student fits; says what that one costs.
    """
    spent: dict[Architecture, float] | None = None if costs is None else {}
    proposals = _Proposals(teacher, budget, config=config)
    found: dict[Architecture, Prediction] = {}
    population: deque[Prediction] = deque(maxlen=config.population)
    while len(found) < config.candidates:
        wanted = min(config.generation, config.candidates - len(found))
        fresh = proposals.fresh(wanted, found=found, population=population)
        if not fresh:
            break
        scored = predictions(scorer, teacher, fresh, support=support)
        found |= {p.architecture: p for p in scored}
        population.extend(scored)
        if costs is not None and spent is not None:
            spent |= dict(zip(fresh, costs(fresh), strict=True))
        yield _summary(found, config.top, costs=spent)
    if second is not None:
        first = _summary(found, max(config.top, second.students), costs=spent)
        looked = dict.fromkeys(
            p.architecture for p in (*first.top[: second.students], *first.pareto)
        )
        again = predictions(second.scorer, teacher, list(looked), support=support)
        best = _summary({p.architecture: p for p in again}, config.top, costs=spent)
        rest = [p for p in first.top if p.architecture not in looked]
        top = (*best.top, *rest)[: config.top]
        yield Generation(scored=len(found), top=top, pareto=best.pareto)


def run(
    scorer: Scorer,
    teacher: Teacher,
    budget: Budget,
    *,
    config: SearchConfig,
    support: Sequence[Measured] = (),
    costs: Costs | None = None,
    second: SecondLook | None = None,
) -> Generation:
    """Search to the end and return the answer; same arguments and errors as `search`."""
    *_, last = search(
        scorer, teacher, budget, config=config, support=support, costs=costs, second=second
    )
    return last


class _Proposals:
    """Draws members that a budget allows, at random or out of what scored best so far."""

    def __init__(self, teacher: Teacher, budget: Budget, *, config: SearchConfig) -> None:
        self._space, self._classes = teacher.network.space, teacher.network.num_classes
        self._space.check_budget(budget, num_classes=self._classes)
        self._budget, self._config = budget, config
        self._generator = torch.Generator().manual_seed(config.seed)
        self._few: list[Architecture] | None = None  # not asked yet; empty: they are many

    def fresh(
        self,
        wanted: int,
        *,
        found: Container[Architecture],
        population: Sequence[Prediction],
    ) -> list[Architecture]:
        """Return members not found yet; fewer than wanted only when none turn up any more."""
        fresh: dict[Architecture, None] = {}
        config = self._config
        evolve = config.algorithm == "evolution" and len(population) >= max(
            1, min(config.population, config.candidates // 4)
        )
        for attempt in range(12):
            # After some barren rounds of evolution, fresh draws bring the diversity back.
            if evolve and attempt < 8:
                drawn = [self._child(population) for _ in range(wanted)]
            else:
                drawn = self._draw(10 * wanted)
            for architecture in self._within(drawn):
                if architecture not in found and len(fresh) < wanted:
                    fresh[architecture] = None
            if len(fresh) == wanted or (
                self._few
                and all(
                    architecture in fresh or architecture in found for architecture in self._few
                )
            ):
                break
        return list(fresh)

    def _within(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        return self._space.within(architectures, self._budget, num_classes=self._classes)

    def _draw(self, number: int) -> list[Architecture]:
        """Draw members; where the budget is tight, walk up from the cheapest one."""
        drawn = self._space.sample(number, generator=self._generator)
        if len(self._within(drawn)) * 20 >= number:
            return drawn
        if self._few is None:
            self._few = self._reachable(FEW)
        if self._few:
            return self._few
        reached = self._cheapest()
        for _ in range(4):
            starts = torch.randint(len(reached), (number // 4,), generator=self._generator)
            reached += self._within(
                [
                    self._space.mutate(reached[i], generator=self._generator)
                    for i in starts.tolist()
                ]
            )
        return reached

    def _cheapest(self) -> list[Architecture]:
        """Return the member of least FLOPs or, where it is too slow, the fast ones."""
        return self._within([self._space.smallest]) or self._within(self._space.shallowest)

    def _reachable(self, most: int) -> list[Architecture]:
        """Return all that single steps within the budget reach from its cheapest members.

        Nothing where these are more than `most`: then there is enough to draw from.
        """
        space = self._space
        last = self._cheapest()
        reached = dict.fromkeys(last)
        while last and len(reached) <= most:
            steps = dict.fromkeys(a for member in last for a in space.neighbours(member))
            last = self._within([a for a in steps if a not in reached])
            reached |= dict.fromkeys(last)
        return list(reached) if len(reached) <= most else []

    def _child(self, population: Sequence[Prediction]) -> Architecture:
        """Mutate the best of a few random members, or a cross between two such."""
        generator, config = self._generator, self._config

        def parent() -> Architecture:
            picks = torch.randint(len(population), (config.sample,), generator=generator)
            best: Prediction = max(
                (population[i] for i in picks.tolist()), key=lambda p: p.accuracy
            )
            return best.architecture

        child = parent()
        if float(torch.rand((), generator=generator)) < config.crossover_rate:
            child = self._space.crossover(child, parent(), generator=generator)
        return self._space.mutate(child, rate=config.mutation_rate, generator=generator)


def _summary(
    found: dict[Architecture, Prediction], top: int, *, costs: Mapping[Architecture, float] | None
) -> Generation:
    best_first = sorted(found.values(), key=lambda p: (-p.accuracy, p.flops, p.architecture.path))
    return Generation(
        scored=len(found),
        top=tuple(best_first[:top]),
        pareto=tuple(pareto_front(best_first, costs=costs)),
    )
