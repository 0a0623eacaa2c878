"""The predictor: how accurate will a remapped student be after distillation?

It reads what the student computes (its embedding), what it is (its encoding) and what its
teacher computes, and adapts to a teacher by one gradient step on measured accuracies: the
teacher's own at least. This file knows nothing of tasks, stores or how the predictor is trained.

Everything is computed for t tasks at once, each with its own adapted weights: a convolution is a
matrix product over patches, so that t sets of weights are one batched product.

Dimension letters: t tasks, n students, m support students, d code length, c h w an embedding.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dass.predictor.episode import Episode
from dass.predictor.features import num_features, student_features
from dass.predictor.network_config import PredictorConfig
from dass.space.spaces import by_name

Weights = Mapping[str, Tensor]
"""Parameters by name; each as the module has it, or with a leading dimension of tasks."""


class Network(nn.Module):
    """The published predictor: two map encoders, one code encoder, one head."""

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        space = by_name(config.space)
        channels = space.feature_map_shape[0]
        self.student_encoder = _MapEncoder(channels, config.hidden, config.features)
        self.teacher_encoder = _MapEncoder(channels, config.hidden, config.features)
        length = space.encoding_length
        length += num_features(space) if config.describe else 0
        self.code_encoder = nn.Linear(length, config.code_features)
        self.head1 = nn.Linear(2 * config.features + config.code_features, config.head)
        self.head2 = nn.Linear(config.head, 1)


class _MapEncoder(nn.Module):
    """The weights of two strided convolutions without biases; `_encode` applies them."""

    def __init__(self, channels: int, hidden: int, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, hidden, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(hidden, features, 3, stride=2, padding=1, bias=False)


def _patches(x: Float[Tensor, "t n c h w"]) -> Float[Tensor, "t rows c9"]:
    """Cut 3×3 patches at stride 2 with a padding of 1: one row per student and position."""
    columns = F.unfold(x.flatten(0, 1), 3, padding=1, stride=2)
    return columns.view(*x.shape[:2], *columns.shape[1:]).transpose(2, 3).flatten(1, 2)


def _multiply(
    x: Float[Tensor, "t rows i"], weight: Float[Tensor, "t o *i"]
) -> Float[Tensor, "t rows o"]:
    """Multiply each task's rows by its own weights; weights shared by all tasks have t = 1."""
    flat = weight.flatten(2).transpose(1, 2)
    # squeeze, not [0]: the gradient of an index fills and copies a whole weight
    return x @ flat.squeeze(0) if len(flat) == 1 else torch.bmm(x, flat)


def _encode(
    weights: Weights, prefix: str, feature_maps: Float[Tensor, "t n c h w"]
) -> Float[Tensor, "t n features"]:
    n, h, w = feature_maps.shape[1], *feature_maps.shape[3:]
    hidden = F.relu(_multiply(_patches(feature_maps), weights[f"{prefix}.conv1.weight"]))
    h, w = -(-h // 2), -(-w // 2)
    # All sizes are named: with no student at all, -1 would be ambiguous.
    hidden = hidden.view(len(hidden), n, h, w, hidden.shape[-1]).permute(0, 1, 4, 2, 3)
    out = F.relu(_multiply(_patches(hidden), weights[f"{prefix}.conv2.weight"]))
    return out.view(len(out), n, -(-h // 2) * -(-w // 2), out.shape[-1]).mean(2)


def _linear(weights: Weights, name: str, x: Float[Tensor, "t n i"]) -> Float[Tensor, "t n o"]:
    return _multiply(x, weights[f"{name}.weight"]) + weights[f"{name}.bias"].unsqueeze(1)


class Predictor(nn.Module):
    """A network and the learned size of its inner step, parameter by parameter.

    The step sizes are a module of the network's shape, so that `state_dict` holds them.
    """

    def __init__(self, config: PredictorConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.space = by_name(config.space)
        self.network = Network(config)
        self.step_sizes = copy.deepcopy(self.network)
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                fan_in = parameter[0].numel() if parameter.dim() > 1 else parameter.numel()
                bound = fan_in**-0.5
                parameter.uniform_(-bound, bound, generator=generator)
                self.step_sizes.get_parameter(name).fill_(config.initial_step)

    # --- targets ---------------------------------------------------------------------------

    def to_target(
        self, accuracies: Float[Tensor, "*t n"], teacher: Float[Tensor, "*t 1"]
    ) -> Float[Tensor, "*t n"]:
        """Turn accuracies (fractions) into the unit the network predicts."""
        if self.config.scale == "relative":
            return (accuracies - teacher) / self.config.spread
        return accuracies * (100 if self.config.scale == "percent" else 1)

    def from_target(
        self, targets: Float[Tensor, "*t n"], teacher: Float[Tensor, "*t 1"]
    ) -> Float[Tensor, "*t n"]:
        """Undo `to_target`."""
        if self.config.scale == "relative":
            return teacher + targets * self.config.spread
        return targets / (100 if self.config.scale == "percent" else 1)

    # --- predicting ------------------------------------------------------------------------

    def weights(self) -> dict[str, Tensor]:
        """Return the unadapted parameters, shared by all tasks: a leading dimension of 1."""
        return {name: p.unsqueeze(0) for name, p in self.network.named_parameters()}

    def forward_targets(
        self,
        teacher_feature_maps: Float[Tensor, "t c h w"],
        feature_maps: Float[Tensor, "t n c h w"],
        encodings: Float[Tensor, "t n d"],
        *,
        weights: Weights,
    ) -> Float[Tensor, "t n"]:
        """Predict targets of each task's students with the given parameters."""
        t, n = encodings.shape[:2]
        nothing = feature_maps.new_zeros(t, n, self.config.features)
        student, teacher = nothing, nothing
        if self.config.use_student:
            student = _encode(weights, "student_encoder", feature_maps)
        if self.config.use_teacher:
            teacher = _encode(weights, "teacher_encoder", teacher_feature_maps.unsqueeze(1))
        if self.config.describe:
            encodings = torch.cat([encodings, student_features(self.space, encodings)], dim=2)
        code = _linear(weights, "code_encoder", encodings)
        joined = torch.cat([student, code, teacher.expand(t, n, -1)], dim=2)
        out = _linear(weights, "head2", torch.tanh(_linear(weights, "head1", joined)))
        return out.squeeze(2)

    def adapt(
        self,
        teacher_feature_maps: Float[Tensor, "t c h w"],
        support_feature_maps: Float[Tensor, "t m c h w"],
        support_encodings: Float[Tensor, "t m d"],
        *,
        targets: Float[Tensor, "t m"],
        create_graph: bool = False,
    ) -> dict[str, Tensor]:
        """Take one inner step per task on the mean squared error of its support.

        Args:
            teacher_feature_maps: of each task's teacher.
            support_feature_maps: of its support, the teacher first.
            support_encodings: of its support.
            targets: what the support was measured to have, scaled as `to_target` does.
            create_graph: whether the step itself is to be differentiated.

        Returns:
            Parameters with a leading dimension of t.
        """
        t = len(teacher_feature_maps)
        own = {
            name: p.unsqueeze(0).expand(t, *p.shape) for name, p in self.network.named_parameters()
        }
        if not self.config.adapt:
            return own
        with torch.enable_grad():
            if not create_graph:
                own = {name: p.detach().requires_grad_() for name, p in own.items()}
            predicted = self.forward_targets(
                teacher_feature_maps, support_feature_maps, support_encodings, weights=own
            )
            loss = (predicted - targets).square().mean(1).sum()
            gradients = torch.autograd.grad(
                loss, list(own.values()), create_graph=create_graph, materialize_grads=True
            )
        steps = dict(self.step_sizes.named_parameters())
        return {
            name: p - steps[name] * gradient
            for (name, p), gradient in zip(own.items(), gradients, strict=True)
        }

    @torch.no_grad()
    def adapted(self, task: Episode) -> dict[str, Tensor]:
        """Return the parameters adapted to an episode's support; its students do not matter."""
        accuracies = task.support_accuracies[None]
        return self.adapt(
            task.teacher_feature_map[None],
            task.support_feature_maps[None],
            task.support_encodings[None],
            targets=self.to_target(accuracies, accuracies[:, :1]),
        )

    @torch.no_grad()
    def predict_episode(
        self, task: Episode, weights: Weights | None = None
    ) -> Float[Tensor, " n"]:
        """Predict an episode's students' accuracies, fractions, after adapting to its support.

        Args:
            task: teacher, support and students.
            weights: `adapted` of an episode of the same teacher and support, if at hand.
        """
        weights = self.adapted(task) if weights is None else weights
        targets = self.forward_targets(
            task.teacher_feature_map[None],
            task.feature_maps[None],
            task.encodings[None],
            weights=weights,
        )
        return self.from_target(targets, task.support_accuracies[None, :1])[0]
