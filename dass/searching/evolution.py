"""Search a space for the students of one teacher that score best within a budget.

Two algorithms, random and regularised evolution, over any `Scorer`. A generator of generations,
so that a caller can show progress or stop. Knows nothing of training, files or requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from dass.errors import InvalidConfig
from dass.networks.teacher import Teacher
from dass.predictor.records import Measured
from dass.predictor.scorer import Scorer
from dass.searching.pareto import pareto_front
from dass.searching.prediction import Prediction, predictions
from dass.space.architecture import Architecture
from dass.space.cost import Budget


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchConfig:
    """How a space is searched."""

    algorithm: Literal["evolution", "random"] = "evolution"
    """Regularised evolution (Real et al., AAAI 2019), or independent draws."""
    candidates: int = 2000
    """Distinct architectures scored; >= 1. A space with fewer in the budget is exhausted."""
    top: int = 5
    """Predictions returned; >= 1."""
    generation: int = 100
    """Architectures scored at once; >= 1."""
    population: int = 200
    """Members that evolution remembers, the oldest leaving first; >= 2."""
    sample: int = 20
    """Members that a parent is the best of; >= 1."""
    mutation_rate: float = 0.1
    """Probability of changing each depth and each width; in (0, 1]."""
    crossover_rate: float = 0.3
    """Probability that a child has two parents; in [0, 1]."""
    seed: int = 0
    """Equal seeds, equal answers."""

    def __post_init__(self) -> None:
        rules = {
            "candidates >= 1": self.candidates >= 1,
            "top >= 1": self.top >= 1,
            "generation >= 1": self.generation >= 1,
            "population >= 2": self.population >= 2,
            "sample >= 1": self.sample >= 1,
            "0 < mutation_rate <= 1": 0 < self.mutation_rate <= 1,
            "0 <= crossover_rate <= 1": 0 <= self.crossover_rate <= 1,
        }
        for rule, holds in rules.items():
            if not holds:
                raise InvalidConfig(f"`{rule}` must hold for a search, but got {self}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """The state of a search after some candidates; the last one is the answer."""

    scored: int
    """Distinct candidates scored so far."""
    top: tuple[Prediction, ...]
    """The best so far, best first."""
    pareto: tuple[Prediction, ...]
    """Those that no candidate beats in both FLOPs and prediction, cheapest first."""


def search(
    scorer: Scorer,
    teacher: Teacher,
    budget: Budget,
    *,
    config: SearchConfig,
    support: Sequence[Measured] = (),
) -> Iterator[Generation]:
    """Score candidates within the budget, generation by generation.

    Args:
        scorer: the predictor, or a baseline.
        teacher: whose students are sought.
        budget: what a student may cost.
        config: how.
        support: measured students of this teacher for the predictor to adapt on as well.

    Raises:
        InfeasibleBudget: not even the cheapest student fits; says what that one costs.
    """
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
        yield _summary(found, config.top)


def run(
    scorer: Scorer,
    teacher: Teacher,
    budget: Budget,
    *,
    config: SearchConfig,
    support: Sequence[Measured] = (),
) -> Generation:
    """Search to the end and return the answer; same arguments and errors as `search`."""
    *_, last = search(scorer, teacher, budget, config=config, support=support)
    return last


class _Proposals:
    """Draws members that a budget allows, at random or out of what scored best so far."""

    def __init__(self, teacher: Teacher, budget: Budget, *, config: SearchConfig) -> None:
        self._space, self._classes = teacher.network.space, teacher.network.num_classes
        self._space.check_budget(budget, num_classes=self._classes)
        self._budget, self._config = budget, config
        self._generator = torch.Generator().manual_seed(config.seed)

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
        evolve = config.algorithm == "evolution" and len(population) >= min(
            config.population, config.candidates // 4
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
            if len(fresh) == wanted:
                break
        return list(fresh)

    def _within(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        return self._space.within(architectures, self._budget, num_classes=self._classes)

    def _draw(self, number: int) -> list[Architecture]:
        """Draw members; where the budget is tight, walk up from the cheapest one."""
        drawn = self._space.sample(number, generator=self._generator)
        if len(self._within(drawn)) * 20 >= number:
            return drawn
        reached = self._within([self._space.smallest]) or self._within(self._space.shallowest)
        for _ in range(4):
            starts = torch.randint(len(reached), (number // 4,), generator=self._generator)
            reached += self._within(
                [
                    self._space.mutate(reached[i], generator=self._generator)
                    for i in starts.tolist()
                ]
            )
        return reached

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


def _summary(found: dict[Architecture, Prediction], top: int) -> Generation:
    best_first = sorted(found.values(), key=lambda p: (-p.accuracy, p.flops, p.architecture.path))
    return Generation(
        scored=len(found), top=tuple(best_first[:top]), pareto=tuple(pareto_front(best_first))
    )
