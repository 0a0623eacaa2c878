"""Meta-train a predictor over many teachers. A generator of steps; knows no store, no cluster.

Dimension letters: t tasks of a step, n query students, m support students.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dass.errors import DivergedTraining, InvalidConfig
from dass.predictor.episode import Episode
from dass.predictor.meta_config import MetaConfig
from dass.predictor.network import Predictor
from dass.predictor.ranking import spearman


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What one outer step brought."""

    number: int
    """Steps so far, this one included."""
    loss: float
    """Mean query loss of the step, in squared target units."""
    validation: float | None
    """Mean Spearman over validation teachers, on the steps that look."""
    best: float | None
    """Best `validation` so far."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Episodes of several teachers, stacked; short ones are padded and masked."""

    teacher_feature_maps: Float[Tensor, "t c h w"]
    feature_maps: Float[Tensor, "t n c h w"]
    encodings: Float[Tensor, "t n d"]
    accuracies: Float[Tensor, "t n"]
    mask: Bool[Tensor, "t n"]
    support_feature_maps: Float[Tensor, "t m c h w"]
    support_encodings: Float[Tensor, "t m d"]
    support_accuracies: Float[Tensor, "t m"]


def stack(episodes: Sequence[Episode]) -> Batch:
    """Stack episodes, padding the queries to the longest; supports must be of equal length."""
    lengths = torch.tensor([len(e.accuracies) for e in episodes])
    mask = torch.arange(int(lengths.max()))[None] < lengths[:, None]
    accuracies = pad_sequence([e.accuracies for e in episodes], batch_first=True)
    return Batch(
        teacher_feature_maps=torch.stack([e.teacher_feature_map for e in episodes]),
        feature_maps=pad_sequence([e.feature_maps for e in episodes], batch_first=True),
        encodings=pad_sequence([e.encodings for e in episodes], batch_first=True),
        accuracies=accuracies,
        mask=mask.to(accuracies.device),
        support_feature_maps=torch.stack([e.support_feature_maps for e in episodes]),
        support_encodings=torch.stack([e.support_encodings for e in episodes]),
        support_accuracies=torch.stack([e.support_accuracies for e in episodes]),
    )


def draw(
    episode: Episode, *, queries: int, extra_support: int, generator: torch.Generator
) -> Episode:
    """Draw query students and, disjoint from them, `extra_support` measured ones."""
    number = len(episode.accuracies)
    order = torch.randperm(number, generator=generator).to(episode.accuracies.device)
    known, asked = order[:extra_support], order[extra_support:][:queries]
    return Episode(
        teacher_feature_map=episode.teacher_feature_map,
        feature_maps=episode.feature_maps[asked],
        encodings=episode.encodings[asked],
        accuracies=episode.accuracies[asked],
        support_feature_maps=torch.cat(
            [episode.support_feature_maps, episode.feature_maps[known]]
        ),
        support_encodings=torch.cat([episode.support_encodings, episode.encodings[known]]),
        support_accuracies=torch.cat([episode.support_accuracies, episode.accuracies[known]]),
    )


def listwise_loss(
    predicted: Float[Tensor, "t n"], measured: Float[Tensor, "t n"], mask: Bool[Tensor, "t n"]
) -> Float[Tensor, ""]:
    """Return ListMLE: the negative log-likelihood of the measured order, per student.

    Mean over each task's students, then over tasks: every task counts the same.

    Source: Xia et al., "Listwise approach to learning to rank", ICML 2008.
    """
    lowest = torch.finfo(predicted.dtype).min
    order = measured.masked_fill(~mask, lowest).argsort(dim=1, descending=True, stable=True)
    scores = predicted.masked_fill(~mask, lowest).gather(1, order)
    rest = scores.flip(1).logcumsumexp(1).flip(1)
    terms = (rest - scores).masked_fill(~mask.gather(1, order), 0.0)
    return (terms.sum(1) / mask.sum(1)).mean()


def query_loss(predictor: Predictor, batch: Batch, config: MetaConfig) -> Float[Tensor, ""]:
    """Adapt to each teacher's support, then judge the predictions for its query students."""
    teacher = batch.support_accuracies[:, :1]
    adapted = predictor.adapt(
        batch.teacher_feature_maps,
        batch.support_feature_maps,
        batch.support_encodings,
        targets=predictor.to_target(batch.support_accuracies, teacher),
        create_graph=True,
    )
    predicted = predictor.forward_targets(
        batch.teacher_feature_maps, batch.feature_maps, batch.encodings, weights=adapted
    )
    targets = predictor.to_target(batch.accuracies, teacher)
    errors = (predicted - targets).square() * batch.mask
    # Every teacher counts the same, however many students it has.
    loss = (errors.sum(1) / batch.mask.sum(1)).mean()
    if config.listwise_weight > 0:
        listwise = listwise_loss(predicted, targets, batch.mask)
        loss = loss + config.listwise_weight * listwise
    return loss


def accumulate(
    predictor: Predictor, episodes: Sequence[Episode], config: MetaConfig
) -> Float[Tensor, ""]:
    """Add the gradient of `query_loss` to every parameter's `grad`; return the loss.

    On a CPU task by task: one task's adapted weights stay in the processor's cache, where eight
    tasks' at once do not (measured in `small`: 160 against 240 ms a step). On an accelerator all
    at once.
    """
    size = len(episodes) if episodes[0].feature_maps.is_cuda else 1
    total = episodes[0].feature_maps.new_zeros(())
    for start in range(0, len(episodes), size):
        part = episodes[start : start + size]
        loss = query_loss(predictor, stack(part), config) * (len(part) / len(episodes))
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return total


def rank_correlation(predictor: Predictor, episodes: Sequence[Episode]) -> float:
    """Return the mean Spearman over teachers between predicted and measured accuracies."""
    values = [
        spearman(
            predictor.predict_episode(e).double().cpu().numpy(),
            e.accuracies.double().cpu().numpy(),
        )
        for e in episodes
    ]
    return float(np.mean(values))


def typical_spread(episodes: Sequence[Episode]) -> float:
    """Return the mean standard deviation of accuracies within a teacher's students."""
    return float(np.mean([float(e.accuracies.double().std()) for e in episodes]))


def fit(
    predictor: Predictor,
    episodes: Sequence[Episode],
    validation: Sequence[Episode],
    *,
    config: MetaConfig,
) -> Iterator[Step]:
    """Meta-train in place; once exhausted, the predictor holds its best validated weights.

    Args:
        predictor: on the device of the episodes.
        episodes: teachers to meta-train on.
        validation: teachers to select the weights by; no gradient is taken on them.
        config: how.

    Raises:
        InvalidConfig: there is no meta-training teacher or no validation teacher.
        DivergedTraining: the loss is not finite.
    """
    _check(episodes, validation, config)
    optimizer = torch.optim.AdamW(
        predictor.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
    )
    generator = torch.Generator().manual_seed(config.seed)
    best, kept = None, copy.deepcopy(predictor.state_dict())
    for number in range(1, config.episodes + 1):
        optimizer.zero_grad()
        loss = accumulate(predictor, _drawn(episodes, config, generator), config)
        if not torch.isfinite(loss):
            raise DivergedTraining(
                f"the meta-training loss must stay finite, but got {loss.item()} in episode "
                f"{number}; lower `learning_rate` (now {config.learning_rate})"
            )
        optimizer.step()
        value = None
        if number % config.validate_every == 0 or number == config.episodes:
            value = rank_correlation(predictor, validation)
            if best is None or value > best:
                best, kept = value, copy.deepcopy(predictor.state_dict())
        yield Step(number=number, loss=loss.item(), validation=value, best=best)
    predictor.load_state_dict(kept)


def _check(episodes: Sequence[Episode], validation: Sequence[Episode], config: MetaConfig) -> None:
    if not episodes or not validation:
        raise InvalidConfig(
            "meta-training must have at least one teacher to train on and one validation teacher, "
            f"but got {len(episodes)} and {len(validation)}"
        )
    shortest = min(len(e.accuracies) for e in episodes)
    if shortest < config.extra_support + 2:
        raise InvalidConfig(
            f"every teacher must have `extra_support + 2` = {config.extra_support + 2} measured "
            f"students at least, but one has {shortest}; label more or lower `extra_support`"
        )


def _drawn(
    episodes: Sequence[Episode], config: MetaConfig, generator: torch.Generator
) -> list[Episode]:
    order = torch.randperm(len(episodes), generator=generator)[: config.tasks].tolist()
    extra = int(torch.randint(config.extra_support + 1, (), generator=generator))
    return [
        draw(episodes[i], queries=config.queries, extra_support=extra, generator=generator)
        for i in order
    ]
