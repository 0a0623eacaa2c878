"""Finished students of four kinds of teacher, beside what one would have chosen plainly.

    python -m benchmarks.compress
    python -m benchmarks.compress torchvision --seeds 1 --minutes 4

A teacher of each library is trained here on images of 64 px, saved as that library does, and
compressed by the command with several seeds. What is there is not done again. timm and
transformers are optional; a way whose library is missing is left out, and said so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tabulate import tabulate
from torch import nn

from dass.data.images import augment, normalise
from dass.data.task import Task, load_task
from dass.data.task_config import TaskConfig

SIZE, EPOCHS, HALF = 64, 30, ("0.5", "0.5", "0.5")
TIMM = "mobilenetv3_small_050"


@dataclass(frozen=True, slots=True)
class Way:
    """A kind of teacher, its images, and what its students may cost."""

    library: str
    images: str
    options: tuple[str, ...]

    @property
    def source(self) -> str:
        """Of its images, for a task."""
        return f"npz:data/images64/{self.images}.npz"


WAYS = {
    "torchvision": Way("torchvision", "flowers5", ("--max-latency-ms", "1.0")),
    "onnx": Way("torchvision", "flowers5", ("--max-latency-ms", "0.1")),
    "timm": Way("timm", "trashnet", ("--max-flops-fraction", "0.3")),
    "huggingface": Way("transformers", "dtd10", ("--max-flops-fraction", "0.3")),
}


def untrained(way: str, classes: int) -> nn.Module:
    """Return a network of a way's library with fresh weights."""
    network: nn.Module
    if way == "timm":
        import timm

        network = timm.create_model(TIMM, num_classes=classes)
    elif way == "huggingface":
        import transformers

        config = transformers.ResNetConfig(
            embedding_size=32, hidden_sizes=[32, 64, 128, 256], depths=[2, 2, 2, 2],
            layer_type="basic", num_labels=classes,
        )  # fmt: skip
        network = transformers.ResNetForImageClassification(config)
    else:
        import torchvision

        network = torchvision.models.resnet18(num_classes=classes)
    return network


def train(network: nn.Module, task: Task) -> nn.Module:
    """Train it on labels, as anybody would."""
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    draws, images, labels = torch.Generator().manual_seed(0), task.train.images, task.train.labels
    network.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels), generator=draws).split(32):
            x = normalise(augment(images[rows], padding=8, flip=True, generator=draws))
            said = network(x)
            loss = nn.functional.cross_entropy(getattr(said, "logits", said), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return network.eval()


def teacher(way: str, into: Path) -> list[str]:
    """Train and save a teacher as its library does, unless it is there; return its options."""
    folder, asked = into / way / "teacher", WAYS[way]
    weights, onnx, hub = (folder / name for name in ("teacher.safetensors", "teacher.onnx", "hub"))
    told = {
        "torchvision": ["--teacher", "torchvision:resnet18", "--weights", str(weights)],
        "timm": ["--teacher", f"timm:{TIMM}", "--weights", str(weights)],
        "huggingface": ["--teacher", f"huggingface:{hub}"],
        "onnx": ["--teacher", f"onnx:{onnx}"],
    }[way]
    if (folder / "trained").exists():
        return told
    folder.mkdir(parents=True, exist_ok=True)
    task = load_task(TaskConfig(source=asked.source), image_size=SIZE)
    torch.manual_seed(0)
    network = untrained(way, task.num_classes)
    if way == "onnx":
        _, _, _, file = teacher("torchvision", into)
        network.load_state_dict(load_file(file))
        torch.onnx.export(
            network.eval(), (torch.zeros(1, 3, SIZE, SIZE),), str(onnx), dynamo=False,
            input_names=["images"], dynamic_axes={"images": {0: "n"}},
        )  # fmt: skip
    elif way == "huggingface":
        import transformers

        train(network, task).save_pretrained(hub)
        sides = {"height": SIZE, "width": SIZE}
        half = [float(value) for value in HALF]
        processor = transformers.ViTImageProcessor(size=sides, image_mean=half, image_std=half)
        processor.save_pretrained(hub)
    else:
        save_file(train(network, task).state_dict(), str(weights))
    (folder / "trained").touch()
    return told


def compressed(way: str, into: Path, *, seed: int, minutes: float) -> None:
    """Compress by the command, unless that is done; its output goes beside the result."""
    asked, folder = WAYS[way], into / way / f"seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-m", "jobs.cli", "compress", *teacher(way, into), "--data",
            asked.source, "--size", str(SIZE), "--mean", *HALF, "--std", *HALF, *asked.options,
            "--rivals", "--minutes", str(minutes), "--seed", str(seed),
            "--into", str(folder)]  # fmt: skip
    with (folder / "output.txt").open("a") as output:
        subprocess.run(line, stdout=output, stderr=output, check=True)


def accuracies(folder: Path) -> dict[str, float]:
    """Return the test accuracy of everyone that a compression trained, in percent."""

    def step(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((folder / f"work/steps/{name}.json").read_text())
        return found

    export, distil = step("export"), step("distil")
    student = export["models"]["torch"]["scores"]
    chosen = step("verify")["architecture"]
    rivals = {
        name: distil["rivals"].get(name) or (student if one["architecture"] == chosen else None)
        for name, one in step("search")["rivals"].items()
    }
    every = {"teacher": step("check")["test"], "student": student, **rivals}
    found = {n: 100 * float(s["accuracy"]) for n, s in every.items() if s}
    ledger = json.loads((folder / "ledger.json").read_text())
    own = {"int8": export["models"]["model.int8.onnx"], "float": export["models"]["model.onnx"]}
    found |= {f"ms, {n}": float(m["milliseconds"]) for n, m in own.items()}
    return found | {"seconds": float(ledger["total_seconds"])}


def row(way: str, folders: Sequence[Path]) -> dict[str, str]:
    """Return mean and standard deviation over seeds, by column."""
    found = [accuracies(folder) for folder in folders]
    names = list(dict.fromkeys(name for one in found for name in one))
    cells = {"way": f"{way}, {WAYS[way].images}, {' '.join(WAYS[way].options)}"}
    for name in names:
        values = np.array([one[name] for one in found if name in one])
        digits = 0 if name == "seconds" else 3 if name.startswith("ms") else 1
        spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
        cells[name] = f"{values.mean():.{digits}f}{spread}"
    return cells


def main() -> None:
    """Compress every way with every seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ways", nargs="*", default=list(WAYS), help=", ".join(WAYS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--into", type=Path, default=Path("runs/compress"))
    told = parser.parse_args()
    rows = []
    for way in told.ways or WAYS:
        if importlib.util.find_spec(WAYS[way].library) is None:
            print(f"{way} is left out: {WAYS[way].library} is not installed")
            continue
        teacher(way, told.into)
        folders = [told.into / way / f"seed{seed}" for seed in range(told.seeds)]
        for seed in range(told.seeds):
            started = time.perf_counter()
            compressed(way, told.into, seed=seed, minutes=told.minutes)
            print(f"{way}, seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
        rows += [row(way, folders)] if folders else []
    print(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
