"""What `jobs.compress` is told: whose student, of which images, how cheap, how long, where to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from dass.data.task_config import TaskConfig
from dass.errors import InvalidConfig
from jobs.configs.build import Engine
from jobs.planning.quantity import Count

NEEDED = ("teacher", "data", "into")


@dataclass(frozen=True, kw_only=True, slots=True)
class CompressConfig:
    """Whose student, of which images, how cheap, how long, and where to."""

    teacher: str = ""
    """Your network: torchvision:NAME, timm:NAME, huggingface:FOLDER or onnx:FILE."""
    weights: str = ""
    """Its weights, a safetensors file, for the first two; `dass convert` makes one."""
    data: str = ""
    """The images: folder:PATH, npz:PATH, rendered:NAME, digits, fashion or a torchvision
    dataset's name."""
    into: str = ""
    """A folder of this machine for the student and all about it; the same line goes on there."""
    max_flops: Count | None = None
    """Most multiply-adds of one forward pass: 20000000, 20e6 or 20M."""
    max_flops_fraction: float | None = None
    """The same as a fraction of the largest student's, in (0, 1]; a half without any limit. Of
    several sizes: of the largest student of the largest size, whatever the student's."""
    max_parameters: Count | None = None
    """Most trainable parameters."""
    max_latency_ms: float | None = None
    """Most milliseconds of one pass on one thread: of this machine, where a table is measured
    first, or of the device of `--latency`. No default on FLOPs then."""
    latency: tuple[str, ...] = ()
    """Another device's table, which `dass latency` made: a file; of several sizes one of each."""
    latency_precision: Literal["float32", "int8"] = "float32"
    """Of weights and activations in that pass."""
    latency_batch: int = 1
    """Images of that pass; a table must have been measured with as many."""
    minutes: float = 15.0
    """What it may take; sets how many students are verified and how long the last training is."""
    test: str = ""
    """Images that the teacher never saw, folder:PATH or npz:PATH; without them the report says
    that it may have."""
    teacher_split: str = ""
    """A text file with the pictures that the teacher was trained on, one path in the folder a
    line: they are never validated or tested on."""
    balanced: bool = False
    """For classes of very different sizes: weigh the rare ones up, judge by balanced accuracy."""
    unlabelled: bool = False
    """`--data folder:PATH` has no classes, whatever its folders: learn from the teacher alone;
    agreement with it is what is measured."""
    val: str = ""
    """Images to validate on, folder:PATH or npz:PATH; empty for a share of the training images."""
    student_size: tuple[int, ...] = ()
    """Rows and columns of the student's images; nothing for the smaller of the pictures' and 64,
    or 32 by a proxy. Several (`32 48 64`) are searched and verified together in one budget."""
    classes: str = ""
    """A file with the names of the teacher's outputs, one a line, in their order."""
    size: int | None = None
    """Rows and columns of the teacher's input; alone it means that nothing is cut off."""
    resize: int | None = None
    """Pixels that the shorter side is resized to before the teacher's centre crop."""
    fit: Literal["crop", "stretch"] | None = None
    """What becomes of pictures that are not square, for the teacher."""
    mean: tuple[float, float, float] | None = None
    """What the teacher's pixels of 0 to 1 are normalised by; None for what its kind says."""
    std: tuple[float, float, float] | None = None
    """What they are divided by."""
    channels: Literal["RGB", "BGR"] | None = None
    """Order of the channels in the teacher's input."""
    flip: bool = True
    """Whether pictures may be mirrored in training; not for signs and characters."""
    rivals: bool = False
    """Train the largest student in the budget, a uniformly slimmed one and a random one as well,
    to compare."""
    verify: int | None = None
    """Students that are trained briefly before one is chosen; None for as many as time allows."""
    epochs: int | None = None
    """Epochs of the last training; None for as many as time allows."""
    views: int | None = None
    """Augmented copies of each picture that the teacher is asked about; None by time, 1 to 4."""
    engine: Engine = "inline"
    """Who trains students: `inline`, processes of this machine; `ray`, the cluster, or a private
    one on this machine; `auto`, the cluster where this runs on one. Every node must see `--into`,
    the images and the teacher under the same paths."""
    workers: int = 1
    """Of `inline`: single-threaded processes; 1 trains in this one."""
    cpus_per_worker: float = 1.0
    """Of `ray`: cores that a student takes; every node gets as many workers as it has room for."""
    candidates: int = 1000
    """Students that the search scores."""
    seed: int = 0
    """Equal seeds, equal answers."""
    data_root: str = "data"
    """Where torchvision datasets are downloaded to."""

    def check(self) -> None:
        """Raise unless what everyone must say is there.

        Raises:
            InvalidConfig: names what is missing.
        """
        if self.workers < 1 or self.cpus_per_worker <= 0:
            raise InvalidConfig(
                "`workers >= 1` and `cpus_per_worker > 0` must hold, but got "
                f"{self.workers} and {self.cpus_per_worker}"
            )
        missing = [f"--{name}" for name in NEEDED if not getattr(self, name)]
        if missing:
            raise InvalidConfig(
                f"a compression must be told {', '.join(f'--{n}' for n in NEEDED)}, but "
                f"{', '.join(missing)} is missing: dass compress --teacher torchvision:resnet18 "
                "--weights mine.safetensors --data folder:photos --into runs/photos"
            )

    def task(self) -> TaskConfig:
        """Return the images and how they are divided, but for what the teacher saw."""
        return TaskConfig(source=self.data, validation=self.val, test=self.test, flip=self.flip)

    def given(self, *names: str) -> dict[str, object]:
        """Return some of the settings by their names."""
        known = {field.name for field in fields(self)}
        assert known.issuperset(names)
        return {name: getattr(self, name) for name in names}
