"""Compress a ResNet-18 of torchvision's, trained here, to a student of a millisecond.

    python examples/compress_torchvision.py
    python examples/compress_torchvision.py flowers5.npz runs/flowers 5 3

The second line does it: images, where the result goes, minutes of each run, runs. The network has
smaller members of its own family, among which the student is sought. Weights that lie under
`runs/flowers/teacher` already are taken; put yours there.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

import dass
from dass.pipeline.compression.standing import standing_table
from dass.training.classifier import fit_classifier

SIZE, HALF = 64, (0.5, 0.5, 0.5)


def weights_of(folder: Path, images: dass.TaskConfig) -> str:
    """Return the file of a trained teacher's weights; train it where there is none."""
    from torchvision.models import resnet18

    file = folder / "teacher.safetensors"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        task = dass.load_task(images, image_size=SIZE)
        torch.manual_seed(0)
        network = fit_classifier(resnet18(num_classes=task.num_classes), task)
        save_file(network.state_dict(), file)
    return str(file)


def main(archive: str, into: str, minutes: str, runs: str = "1") -> None:
    """Compress, once with each seed, and say how all stand."""
    images = dass.TaskConfig(source=f"npz:{archive}")
    weights = weights_of(Path(into, "teacher"), images)
    teacher = dass.load_oracle(
        "torchvision:resnet18", weights=weights, size=SIZE, mean=HALF, std=HALF
    )
    folders = [f"{into}/seed{seed}" for seed in range(int(runs))]
    for seed, folder in enumerate(folders):
        dass.compress(teacher, images, max_latency_ms=1.0, minutes=float(minutes), seed=seed,
                      rivals=True, into=folder)  # fmt: skip
    print(standing_table(folders))


if len(sys.argv) < 4:
    print("give a file of images, .npz\na folder for the result\nand minutes; nothing was done")
else:
    main(*sys.argv[1:])
