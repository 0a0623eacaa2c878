"""Train one network: a teacher on labels, or a student on its teacher's knowledge.

Both are one loop and one `Recipe`; a teacher's has no soft part. The loop is a generator of
`Epoch` values: the caller reports, checkpoints, prunes or stops. This file knows nothing of
files, clusters or records.

Dimension letters: n images, v views, k classes, s pixels.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from dass.data import augment, normalise
from dass.errors import DivergedTraining, InvalidConfig
from dass.network import ResNet
from dass.remap import Policy
from dass.task import Split

EVALUATION_BATCH = 500
"""Images per forward pass when nothing is trained."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a network is trained. The defaults are the published ones for students."""

    epochs: int = 50
    """Passes over the training images; >= 1."""
    batch_size: int = 64
    """Images per step; >= 2, since batch norm needs two."""
    learning_rate: float = 0.05
    """Peak step size of SGD with Nesterov momentum; > 0. It follows a cosine to 0, per step."""
    warmup_epochs: int = 0
    """Epochs over which the learning rate rises linearly first; >= 0."""
    momentum: float = 0.9
    """Nesterov momentum in [0, 1)."""
    weight_decay: float = 3e-5
    """L2 penalty of every parameter; >= 0."""
    padding: int = 8
    """Zero pixels added on each side before the random crop; >= 0."""
    label_smoothing: float = 0.0
    """Share of a label's weight that is spread over all classes, in [0, 1)."""
    hard_weight: float = 0.5
    """Weight α of the label loss in [0, 1]; the rest is the teacher's. At 1 none is asked."""
    temperature: float = 6.0
    """Softmax temperature T of both networks in the teacher's part; > 0."""
    remap: Policy = "first"
    """Which of the teacher's blocks and channels a student starts from."""
    teacher_logits: Literal["live", "views"] = "live"
    """`live` asks the teacher on every step, as published; `views` asks it once per augmented
    view and shares the answers among all students of the task."""
    views: int = 8
    """Augmented copies per image under `views`; >= 1."""

    def __post_init__(self) -> None:
        rules = {
            "epochs >= 1": self.epochs >= 1,
            "batch_size >= 2": self.batch_size >= 2,
            "learning_rate > 0": self.learning_rate > 0,
            "0 <= warmup_epochs < epochs": 0 <= self.warmup_epochs < self.epochs,
            "0 <= momentum < 1": 0 <= self.momentum < 1,
            "weight_decay >= 0": self.weight_decay >= 0,
            "padding >= 0": self.padding >= 0,
            "0 <= label_smoothing < 1": 0 <= self.label_smoothing < 1,
            "0 <= hard_weight <= 1": 0 <= self.hard_weight <= 1,
            "temperature > 0": self.temperature > 0,
            "views >= 1": self.views >= 1,
        }
        for rule, holds in rules.items():
            if not holds:
                raise InvalidConfig(f"`{rule}` must hold for a training recipe, but got {self}")

    @property
    def name(self) -> str:
        """Identity of the recipe: equal settings, equal name."""
        kind = "label" if self.hard_weight == 1 else "kd"
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{kind}{self.epochs}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def published_teacher() -> Recipe:
    """The published way to train a teacher."""
    return Recipe(epochs=180, label_smoothing=0.1, hard_weight=1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """What one pass over the training images brought."""

    number: int
    """Passes so far, this one included."""
    loss: float
    """Mean training loss of the pass."""
    accuracy: float
    """Accuracy on the validation part after the pass, a fraction."""
    images: int
    """Images trained on in this pass."""
    seconds: float
    """Wall time of the pass, evaluation included."""
    state: dict[str, Tensor]
    """Everything needed to go on from here, as flat tensors; valid until the next pass starts."""


Batch = tuple[Float[Tensor, "n 3 s s"], Int64[Tensor, " n"], Float[Tensor, "n k"] | None]


@runtime_checkable
class Feed(Protocol):
    """Where training batches come from."""

    def steps(self, size: int) -> int:
        """Count the batches of one pass."""
        ...

    def batches(self, size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Yield normalised images, labels and teacher logits of one pass, shuffled."""
        ...


def _steps(number: int, size: int) -> int:
    return max(1, number // size)


def _orders(number: int, size: int, generator: torch.Generator) -> Iterator[Int64[Tensor, " b"]]:
    """Cut a fresh permutation into full batches; a last partial one waits for the next pass."""
    order = torch.randperm(number, generator=generator)
    for step in range(_steps(number, size)):
        yield order[step * size : (step + 1) * size]


class Live:
    """Augments on the fly and, if there is a teacher, asks it on every step."""

    def __init__(
        self, images: Split, *, teacher: ResNet | None = None, padding: int, flip: bool
    ) -> None:
        self._images, self._teacher = images, teacher
        self._padding, self._flip = padding, flip
        if teacher is not None:
            teacher.eval()

    def steps(self, size: int) -> int:
        """Count the batches of one pass."""
        return _steps(len(self._images), size)

    def batches(self, size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Yield batches of freshly augmented images."""
        for rows in _orders(len(self._images), size, generator):
            rows = rows.to(self._images.labels.device)
            drawn = augment(
                self._images.images[rows],
                padding=self._padding,
                flip=self._flip,
                generator=generator,
            )
            x = normalise(drawn)
            with torch.no_grad():
                logits = None if self._teacher is None else self._teacher(x)
            yield x, self._images.labels[rows], logits


class Views:
    """Draws from augmented copies made once, with the teacher's answers beside them.

    One instance serves all students of a teacher: they differ in order and choice of views only.
    """

    def __init__(
        self, images: Split, *, teacher: ResNet, padding: int, flip: bool, views: int, seed: int
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._images: UInt8[Tensor, "v n 3 s s"] = torch.stack(
            [
                augment(images.images, padding=padding, flip=flip, generator=generator)
                for _ in range(views)
            ]
        )
        self._labels = images.labels
        logits = [predict_logits(teacher, view) for view in self._images]
        self._logits: Float[Tensor, "v n k"] = torch.stack(logits)

    def steps(self, size: int) -> int:
        """Count the batches of one pass."""
        return _steps(len(self._labels), size)

    def batches(self, size: int, *, generator: torch.Generator) -> Iterator[Batch]:
        """Yield batches with a random view of each image."""
        views, number = self._images.shape[:2]
        view = torch.randint(views, (number,), generator=generator)
        for rows in _orders(number, size, generator):
            rows, drawn = (i.to(self._labels.device) for i in (rows, view[rows]))
            x = normalise(self._images[drawn, rows])
            yield x, self._labels[rows], self._logits[drawn, rows]


def feed(
    images: Split, recipe: Recipe, *, teacher: ResNet | None, flip: bool, seed: int = 0
) -> Live | Views:
    """Make the feed that a recipe asks for.

    Args:
        images: the training part.
        recipe: decides between live and precomputed teacher logits.
        teacher: needed unless the recipe learns from labels alone.
        flip: whether the task's images may be mirrored.
        seed: of the precomputed views, shared by all students of a teacher.
    """
    if recipe.hard_weight == 1:
        return Live(images, padding=recipe.padding, flip=flip)
    if teacher is None:
        raise InvalidConfig(
            "a recipe with `hard_weight < 1` must be given a teacher, but got none"
        )
    if recipe.teacher_logits == "live":
        return Live(images, teacher=teacher, padding=recipe.padding, flip=flip)
    return Views(
        images, teacher=teacher, padding=recipe.padding, flip=flip, views=recipe.views, seed=seed
    )


@torch.no_grad()
def predict_logits(network: ResNet, images: UInt8[Tensor, "n 3 s s"]) -> Float[Tensor, "n k"]:
    """Return the network's logits for all images, in eval mode; its mode is restored."""
    training = network.training
    network.eval()
    logits = [network(normalise(part)) for part in torch.split(images, EVALUATION_BATCH)]
    network.train(training)
    return torch.cat(logits)


def accuracy(network: ResNet, images: Split) -> float:
    """Return the fraction of images classified correctly; every image counts."""
    guesses = predict_logits(network, images.images).argmax(1)
    return int((guesses == images.labels).sum()) / len(images)


def kd_loss(
    student: Float[Tensor, "n k"],
    teacher: Float[Tensor, "n k"],
    labels: Int64[Tensor, " n"],
    *,
    temperature: float,
    hard_weight: float,
) -> Float[Tensor, ""]:
    """Return (1-α)·T²·KL(teacher‖student at T) + α·CE, mean over images (DaSS, section 4.1).

    The published code computes a cross-entropy in place of the divergence. The gradient is the
    same; this value is 0 for a student that equals its teacher at α = 0.
    """
    soft = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    hard = F.cross_entropy(student, labels)
    return (1 - hard_weight) * temperature**2 * soft + hard_weight * hard


def train(
    network: ResNet,
    source: Feed,
    validation: Split,
    *,
    recipe: Recipe,
    seed: int,
    state: Mapping[str, Tensor] | None = None,
) -> Iterator[Epoch]:
    """Train in place, one `Epoch` at a time.

    What a pass draws depends on the seed and its number only, so a run that goes on from an
    epoch's `state` ends like one that was never stopped, bit for bit on CPU with the same number
    of threads.

    Args:
        network: on the device of the images; kept in channels-last layout.
        source: training batches.
        validation: measured after every pass.
        recipe: how to train.
        seed: of order, augmentation and views.
        state: an earlier epoch's, to resume from.

    Raises:
        DivergedTraining: the loss of a pass is not finite.
    """
    network.to(memory_format=torch.channels_last)
    parameters = dict(network.named_parameters())
    optimizer = torch.optim.SGD(
        parameters.values(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    first = 0 if state is None else _restore(network, optimizer, state)
    for number in range(first, recipe.epochs):
        started = time.perf_counter()
        generator = torch.Generator().manual_seed(_mix(seed, number))
        loss, images = _one_pass(network, source, optimizer, recipe, number, generator)
        if not math.isfinite(loss):
            raise DivergedTraining(
                f"the training loss must stay finite, but got {loss} in epoch {number + 1} of "
                f"{recipe.epochs}; lower `learning_rate` (now {recipe.learning_rate}) or raise "
                f"`warmup_epochs` (now {recipe.warmup_epochs})"
            )
        yield Epoch(
            number=number + 1,
            loss=loss,
            accuracy=accuracy(network, validation),
            images=images,
            seconds=time.perf_counter() - started,
            state=_snapshot(network, optimizer, number + 1),
        )


def _one_pass(
    network: ResNet,
    source: Feed,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    number: int,
    generator: torch.Generator,
) -> tuple[float, int]:
    network.train()
    steps = source.steps(recipe.batch_size)
    total, images = torch.zeros((), device=network.fc.weight.device), 0
    batches = source.batches(recipe.batch_size, generator=generator)
    for step, (x, labels, logits) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, number + step / steps)
        loss = _loss(network(x), logits, labels, recipe)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach() * len(x)
        images += len(x)
    return float(total) / images, images


def _loss(
    outputs: Float[Tensor, "n k"],
    teacher: Float[Tensor, "n k"] | None,
    labels: Int64[Tensor, " n"],
    recipe: Recipe,
) -> Float[Tensor, ""]:
    if teacher is None:
        return F.cross_entropy(outputs, labels, label_smoothing=recipe.label_smoothing)
    return kd_loss(
        outputs,
        teacher,
        labels,
        temperature=recipe.temperature,
        hard_weight=recipe.hard_weight,
    )


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """Return the step size after `epoch` passes: a linear warm-up, then a cosine to 0."""
    if epoch < recipe.warmup_epochs:
        return recipe.learning_rate * max(epoch, 0.05) / recipe.warmup_epochs
    progress = (epoch - recipe.warmup_epochs) / (recipe.epochs - recipe.warmup_epochs)
    return recipe.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def _mix(seed: int, number: int) -> int:
    """Join seed and epoch to one seed, so that neighbouring pairs do not share streams."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:7], "big")


def _snapshot(network: nn.Module, optimizer: torch.optim.SGD, number: int) -> dict[str, Tensor]:
    state = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        momentum = optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            state[f"momentum.{name}"] = momentum
    return state | {"epoch": torch.tensor(number)}


def _restore(network: nn.Module, optimizer: torch.optim.SGD, state: Mapping[str, Tensor]) -> int:
    prefix = "network."
    network.load_state_dict(
        {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
    )
    for name, parameter in network.named_parameters():
        if f"momentum.{name}" in state:
            # In the parameter's own layout: the fused step walks both in memory order.
            momentum = torch.empty_like(parameter).copy_(state[f"momentum.{name}"])
            optimizer.state[parameter]["momentum_buffer"] = momentum.detach()
    return int(state["epoch"])
