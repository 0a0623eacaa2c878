"""Compress a MobileNet of timm's, trained here on photographs of rubbish.

    python examples/compress_timm.py
    python examples/compress_timm.py trashnet.npz runs/trashnet 5 3

The second line does it, where timm is installed: images, where the result goes, minutes of each
run, runs. No ResNet is like it, so that its students are found by a proxy.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

import dass
from dass.pipeline.compression.standing import standing_table
from dass.training.classifier import fit_classifier

NAME, SIZE, HALF = "mobilenetv3_small_050", 64, (0.5, 0.5, 0.5)


def weights_of(folder: Path, images: dass.TaskConfig) -> str:
    """Return the file of a trained teacher's weights; train it where there is none."""
    import timm

    file = folder / "teacher.safetensors"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        task = dass.load_task(images, image_size=SIZE)
        torch.manual_seed(0)
        network = timm.create_model(NAME, num_classes=task.num_classes)
        save_file(fit_classifier(network, task).state_dict(), file)
    return str(file)


def main(archive: str, into: str, minutes: str, runs: str = "1") -> None:
    """Compress, once with each seed, and say how all stand."""
    images = dass.TaskConfig(source=f"npz:{archive}")
    weights = weights_of(Path(into, "teacher"), images)
    teacher = dass.load_oracle(f"timm:{NAME}", weights=weights, size=SIZE, mean=HALF, std=HALF)
    folders = [f"{into}/seed{seed}" for seed in range(int(runs))]
    for seed, folder in enumerate(folders):
        dass.compress(teacher, images, budget=0.3, minutes=float(minutes), seed=seed,
                      rivals=True, into=folder)  # fmt: skip
    print(standing_table(folders))


if len(sys.argv) < 4:
    print("give a file of images, .npz\na folder for the result\nand minutes; nothing was done")
else:
    main(*sys.argv[1:])
