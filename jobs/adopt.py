"""Take a user's own teacher into a store: a state dict of a space's largest member.

python -m jobs.adopt small --weights teacher.safetensors --source folder:photos --val folder:held
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save

from dass.data.task import load_task
from dass.errors import InvalidConfig
from dass.networks.family import with_our_pixels
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.networks.usage import normalisation
from dass.registry.adoption import adopt_teacher, digest_of, read_weights
from dass.registry.registry import Registry
from dass.space.spaces import by_name
from dass.store.store import Store
from dass.training.inference import accuracy
from jobs import console
from jobs.configs.adopt import AdoptConfig
from jobs.configs.build import elsewhere


def take(config: AdoptConfig) -> Teacher:
    """Check the weights, measure their accuracy, publish the teacher.

    Raises:
        InvalidConfig: there is no such file, or it cannot be read.
        CorruptArtifact: names the cause, then the names and shapes that are not met.
        NameTaken: another teacher has its name.
    """
    path = Path(config.weights)
    data = _read(path, called=config.weights)
    space = by_name(config.space)
    task_config = elsewhere(config.task, config.source, val=config.val, test=config.test)
    task = load_task(task_config, image_size=space.image_size, data_root=config.data_root)
    network = read_weights(data, space=space, num_classes=task.num_classes, where=str(path))
    data = _with_our_pixels(network, config, data)
    teacher = Teacher(
        name=f"{space.name}.{task.name}.own-{digest_of(data)[:8]}.0",
        network=network,
        accuracy=accuracy(network, task.validation),
        test_accuracy=accuracy(network, task.test),
        task=task_config,
    )
    registry = Registry(Store(config.store))
    registry.put_task(task_config, config.role)
    adopt_teacher(registry, teacher, data)
    return teacher


def _with_our_pixels(network: ResNet, config: AdoptConfig, data: bytes) -> bytes:
    """Take over what its pixels were normalised by; return the weights as they are adopted."""
    if (config.mean, config.std, config.channels) == (None, None, "RGB"):
        return data
    ours = normalisation()
    state = with_our_pixels(
        network.state_dict(),
        mean=config.mean or ours[0],
        std=config.std or ours[1],
        channels=config.channels,
    )
    network.load_state_dict(state)
    return save({name: tensor.contiguous() for name, tensor in state.items()})


def _read(path: Path, *, called: str) -> bytes:
    try:
        if not path.is_file():
            raise InvalidConfig(f"`weights` must be a safetensors file, but got {called!r}")
        return path.read_bytes()
    except OSError as error:
        raise InvalidConfig(
            f"`weights` must be a safetensors file that you may read, but {error}; "
            f"`chmod u+r` it, or give a copy"
        ) from error


def main(config: AdoptConfig) -> None:
    """Adopt a teacher and say how good it is."""
    teacher = take(config)
    print(f"\nvalidation accuracy {100 * teacher.accuracy:.1f} %")
    store = Store(config.store)
    console.keep(store, f"teachers/{teacher.name}/job.json", config)
    console.finish(
        store.url(f"teachers/{teacher.name}"),
        next_line=console.line(
            "search",
            console.preset_of(config.space),
            store=config.store,
            teacher=teacher.name,
        ),
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
