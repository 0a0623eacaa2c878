"""How a network is trained, as a value with a name. Knows nothing of who trains or on what."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dass.errors import InvalidConfig
from dass.networks.policy import Policy


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
    view and shares the teacher's logits among all students of the task."""
    views: int = 8
    """Augmented copies per image under `views`; >= 1."""
    class_weights: tuple[float, ...] = ()
    """What the label loss of an image counts, by its class, > 0; empty for all alike. See
    `balancing_weights`."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of activations and convolutions while training; weights and sums stay float32. On a GPU
    convolutions of float32 numbers round them to TF32, as torch does unless told otherwise."""

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
            "precision is float32 or bfloat16": self.precision in ("float32", "bfloat16"),
            "class_weights > 0": all(0 < each < math.inf for each in self.class_weights),
        }
        for rule, holds in rules.items():
            if not holds:
                raise InvalidConfig(f"`{rule}` must hold for a training recipe, but got {self}")

    @property
    def name(self) -> str:
        """Identity of the recipe: equal settings, equal name."""
        kind = "label" if self.hard_weight == 1 else "kd"
        text = json.dumps(self.to_dict(), sort_keys=True)
        return f"{kind}{self.epochs}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values of JSON; what came later only where it says something."""
        fields = asdict(self) | {"class_weights": list(self.class_weights)}
        if not self.class_weights:
            del fields["class_weights"]
        if self.precision == "float32":
            del fields["precision"]
        return fields


def published_teacher() -> Recipe:
    """The published way to train a teacher."""
    return Recipe(epochs=180, label_smoothing=0.1, hard_weight=1.0)


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """Return the step size after `epoch` passes: a linear warm-up, then a cosine to 0."""
    if epoch < recipe.warmup_epochs:
        return recipe.learning_rate * max(epoch, 0.05) / recipe.warmup_epochs
    progress = (epoch - recipe.warmup_epochs) / (recipe.epochs - recipe.warmup_epochs)
    return recipe.learning_rate * (1 + math.cos(math.pi * progress)) / 2
