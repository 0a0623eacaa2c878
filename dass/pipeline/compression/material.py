"""What all steps share: oracle, images at two sizes, folder, plan, batches, trainings; of several
sizes of students' images each has its own.

A training is kept after every epoch, and goes on from there. Knows nothing of the order of steps.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from dass.data.task import Task
from dass.networks.oracles.oracle import Classifier
from dass.networks.remap import student
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.pipeline.compression.asked import Asked
from dass.pipeline.compression.batch_norms import recalibrate
from dass.pipeline.compression.folder import Folder
from dass.pipeline.compression.measure import Measure, measure_of
from dass.space.architecture import Architecture
from dass.training.batches import Batches
from dass.training.class_weights import balancing_weights
from dass.training.distillation import train
from dass.training.recipe import Recipe
from dass.training.views import OracleCached

LINES = 10
"""Lines that a long training says, at most."""

LEARNING_RATE = 0.02
"""Of all trainings: weights that were trained on the very images are not to be shaken, and at 0.05
a proxy learns little of some hundred pictures."""

Say = Callable[[str], object]
"""Takes a line for the user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """A student's training, by what names it; whoever has the folder can do it."""

    part: str
    """Of the folder: empty, or the size of pictures where there are several."""
    architecture: str
    role: Literal["short", "final"]
    """To verify a student, or to finish one."""
    epochs: int
    """Passes over the training images in all."""


Elsewhere = Callable[[Sequence[Training]], object]
"""Does trainings at once, in other processes; returns when they are kept in the folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much is done of what: decided once, before work starts."""

    way: str
    """`family`, where the teacher's own smaller members are sought, or `proxy`."""
    space: str
    """Name of the space that is searched."""
    extrapolated: bool
    """Whether the order is of no predictor of this space."""
    batch_size: int
    views: int
    """Augmented copies of each picture, whose logits the teacher is asked once."""
    proxy_epochs: int
    """Epochs of the proxy's training; 0 in the family."""
    verify: int
    """Students that are trained briefly."""
    longest: int
    """Epochs of the longest of these trainings."""
    epochs: int
    """Epochs of the last training."""
    seconds: dict[str, float] = field(default_factory=dict)
    """What each step was expected to take."""
    proxy_rate: float = 0.05
    """Learning rate of a proxy, and of the last training after it; what plans of before mean."""
    drawn_at: int | None = None
    """Of several sizes of pictures the one at which the views that all share are drawn, in
    pixels; None where each draws, and asks the teacher about, its own."""

    def recipe(
        self, *, epochs: int, image_size: int, learning_rate: float = LEARNING_RATE
    ) -> Recipe:
        """Return how a network learns from the oracle for so many epochs."""
        return Recipe(
            epochs=epochs,
            batch_size=self.batch_size,
            learning_rate=learning_rate,
            warmup_epochs=1 if epochs > 4 else 0,
            padding=padding_of(image_size),
            teacher_logits="views",
            views=self.views,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values of JSON."""
        return asdict(self)


@dataclass(kw_only=True, eq=False)
class Material:
    """What the steps of one compression work on, for one size of the student's images."""

    asked: Asked
    oracle: Classifier
    """The user's teacher, its outputs in the order of the classes."""
    task: Task
    """The images at the student's size."""
    source: Task
    """The same at the oracle's."""
    folder: Folder
    say: Say
    plan: Plan
    elsewhere: Elsewhere | None = None
    """Does trainings before they are asked for here, which then finds them done."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What is read or made once in a process, by its name."""

    @property
    def label(self) -> str:
        """What is written behind the names of steps where there are several sizes."""
        return f" {self.task.image_size} px" if self.folder.part else ""

    @property
    def measure(self) -> Measure:
        """What students are judged by."""
        return measure_of(self.asked)

    def recipe(self, *, epochs: int, learning_rate: float = LEARNING_RATE) -> Recipe:
        """Return how a network learns from the oracle for so many epochs, as it was asked."""
        size = self.task.image_size
        plain = self.plan.recipe(epochs=epochs, image_size=size, learning_rate=learning_rate)
        if self.asked.unlabelled:
            return replace(plain, hard_weight=0.0)
        if self.asked.balanced:
            labels, classes = self.task.train.labels, self.task.num_classes
            return replace(plain, class_weights=balancing_weights(labels, classes=classes))
        return plain

    def teacher(self) -> Teacher:
        """Return the largest member of the space that is searched, once it is there."""
        from dass.registry.networks import unpack_teacher

        if "teacher" not in self.kept:
            read = self.folder.store.read
            names = ("weights.safetensors", "config.json")
            files = {name: read(f"{self.folder.work}/teacher/{name}") for name in names}
            self.kept["teacher"] = unpack_teacher(files, where="the teacher's searchable form")
        made: Teacher = self.kept["teacher"]
        return made

    def batches(self) -> Batches:
        """Return training batches with the oracle's logits, asked once for all sizes and kept."""
        if "batches" not in self.kept:
            shared = self.plan.drawn_at
            self.kept["batches"] = OracleCached(
                self.task.train,
                self.source.train,
                oracle=self.oracle,
                padding=padding_of(shared or self.task.image_size),
                flip=self.task.flip,
                views=self.plan.views,
                seed=self.asked.seed,
                drawn_at=shared,
                folder=self.folder.path(f"{'work' if shared else self.folder.work}/logits"),
            )
        made: Batches = self.kept["batches"]
        return made

    def trained(
        self, network: ResNet, recipe: Recipe, *, epochs: int, role: str, progress: bool = False
    ) -> list[float]:
        """Train a network on to so many epochs in all, from where it was kept; fill it.

        Args:
            network: with the weights that it starts from.
            recipe: how; its epochs may be more than are trained now.
            epochs: passes over the training images in all.
            role: what it is trained for; equal networks of one role are one training.
            progress: say each epoch.

        Returns:
            What students are judged by, on validation images after each epoch.
        """
        key = self._key(str(network.architecture), recipe, role=role)
        kept = self.folder.read_tensors(f"{key}.safetensors")
        curve = [] if kept is None else kept.pop("curve").tolist()
        if kept is not None:
            network.load_state_dict(_network(kept))
        if len(curve) < epochs:
            self._train(network, recipe, epochs=epochs, key=key, curve=curve, state=kept,
                        settle=role == "short", progress=progress)  # fmt: skip
        network.eval()
        return curve[:epochs]

    def _key(self, architecture: str, recipe: Recipe, *, role: str) -> str:
        """Return where a training is kept."""
        name = f"{self.plan.space} {architecture} {recipe.name} {self.asked.seed}"
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return f"{self.folder.work}/trainings/{role}-{digest}"

    def training(
        self, architecture: Architecture, role: Literal["short", "final"], *, epochs: int
    ) -> Training:
        """Name a training of a student of this size."""
        return Training(part=self.folder.part, architecture=str(architecture), role=role,
                        epochs=epochs)  # fmt: skip

    def lacks(self, training: Training) -> bool:
        """Return whether a training of a student of this size is still to be done."""
        key = self._key(training.architecture, self._recipe(training.role), role=training.role)
        kept = self.folder.read_tensors(f"{key}.safetensors")
        return kept is None or len(kept["curve"]) < training.epochs

    def done(self, training: Training) -> tuple[ResNet, list[float]]:
        """Do a training, from where it was kept; return the student and its curve."""
        network = self.student(Architecture.parse(training.architecture))
        curve = self.trained(
            network,
            self._recipe(training.role),
            epochs=training.epochs,
            role=training.role,
            progress=training.role == "final",
        )
        return network, curve

    def _recipe(self, role: Literal["short", "final"]) -> Recipe:
        if role == "short":
            return self.recipe(epochs=self.plan.longest)
        rate = self.plan.proxy_rate if self.plan.way == "proxy" else LEARNING_RATE
        return self.recipe(epochs=self.plan.epochs, learning_rate=rate)

    def _train(
        self,
        network: ResNet,
        recipe: Recipe,
        *,
        epochs: int,
        key: str,
        curve: list[float],
        state: dict[str, Tensor] | None,
        settle: bool,
        progress: bool,
    ) -> None:
        going = train(network, self.batches(), recipe=recipe, seed=self.asked.seed, state=state)
        for epoch in going:
            state = {name: tensor.clone() for name, tensor in epoch.state.items()}
            curve.append(self._measured(network, settle=settle))
            values = torch.tensor(curve, dtype=torch.float64)
            self.folder.write_tensors(f"{key}.safetensors", state | {"curve": values})
            if progress and epoch.number % -(-recipe.epochs // LINES) == 0:
                self.say(
                    f"    epoch {epoch.number} of {recipe.epochs}: "
                    f"{self.measure.told(curve[-1], 'validation')} ({epoch.seconds:.0f} s)"
                )
            if epoch.number >= epochs:
                break

    def _measured(self, network: ResNet, *, settle: bool) -> float:
        """Return how good it is; after a short training with the batch norms measured anew.

        After a dozen steps their running statistics are still those of the remapped weights.
        """
        if settle:
            network = copy.deepcopy(network)
            recalibrate(network, self.task.train.images, batch_size=64)
        return self.measure.of(network, self.task.validation)

    def student(self, architecture: Architecture) -> ResNet:
        """Return a student with the weights that it inherits."""
        return student(self.teacher().network, architecture)


def padding_of(size: int) -> int:
    """Return the largest shift of pictures of a size, in pixels."""
    return size // 8


def together(materials: Sequence[Material], trainings: Sequence[Training]) -> None:
    """Have trainings done elsewhere that are still to be done, where there is an elsewhere."""
    elsewhere = materials[0].elsewhere
    by_part = {one.folder.part: one for one in materials}
    left = [each for each in dict.fromkeys(trainings) if by_part[each.part].lacks(each)]
    if elsewhere is not None and left:
        elsewhere(left)


def _network(state: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = "network."
    return {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
