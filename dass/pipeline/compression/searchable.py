"""Make a teacher searchable: in the family of its own smaller members, or by a proxy.

In the family its weights are taken over, at the student's size and with our pixels. A proxy is the
largest member of a space with a predictor, distilled from the teacher. Knows nothing of searching.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dass.errors import InvalidArchitecture
from dass.networks.family import space_of_state_dict, with_our_pixels
from dass.networks.oracles.oracle import Classifier, logits_of
from dass.networks.oracles.preprocessing import Preprocessing
from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.pipeline.compression.batch_norms import recalibrate
from dass.pipeline.compression.material import Material
from dass.pipeline.compression.measure import Measure
from dass.registry.networks import pack_teacher
from dass.space.published import PublishedSpace
from dass.space.space import Space
from dass.space.spaces import by_name, micro, paper, residual, small
from dass.training.inference import accuracy

ALIKE = 1e-3
"""Greatest difference, of the largest logit, at which two networks compute the same."""


def family(oracle: Classifier, *, size: int) -> tuple[ResNet | None, str]:
    """Return a teacher as the largest member of its own family; or nothing, and why.

    Args:
        oracle: the teacher, its outputs in the order of the classes.
        size: height and width of the students' images, in pixels.
    """
    module = oracle.forward
    if not isinstance(module, nn.Module):
        return None, "it is no torch module"
    if isinstance(module, ResNet) and _published(module, oracle.preprocessing, size=size):
        state = module.state_dict()
        return _arranged(state, oracle, module.space), f"its own space, {module.space.name}"
    state = module.state_dict()
    try:
        space = space_of_state_dict(state, image_size=size)
    except InvalidArchitecture as error:
        return None, str(error)
    network = ResNet(space, space.largest, num_classes=state["fc.weight"].shape[0])
    state = network.state_dict() | {name: tensor.float() for name, tensor in state.items()}
    network.load_state_dict(state)
    if not _same(module, network.eval(), size=oracle.preprocessing.size):
        return None, "it computes something else than its shapes say"
    before = oracle.preprocessing
    state = with_our_pixels(state, mean=before.mean, std=before.std, channels=before.channels)
    return _arranged(state, oracle, space), f"its own family, {space.name}"


def _published(module: ResNet, before: Preprocessing, *, size: int) -> bool:
    """Return whether a teacher is the largest member of a published space, as it is."""
    half = (0.5, 0.5, 0.5)
    return (
        type(module) is ResNet
        and isinstance(module.space, PublishedSpace)
        and module.architecture == module.space.largest
        and (before.size, before.mean, before.std, before.channels) == (size, half, half, "RGB")
        and module.space.image_size == size
    )


def _arranged(state: dict[str, Tensor], oracle: Classifier, space: Space) -> ResNet:
    """Return a largest member of these weights, its outputs in the order of the classes."""
    if oracle.columns is not None:
        rows = list(oracle.columns)
        state = state | {name: state[name][rows] for name in ("fc.weight", "fc.bias")}
    made = ResNet(space, space.largest, num_classes=oracle.num_classes)
    made.load_state_dict(state)
    return made.eval()


def proxy_space(size: int, *, exactly: bool = False) -> Space:
    """Return the space of a proxy for pictures of a size; `micro` is for tests.

    Args:
        size: rows and columns of the pictures.
        exactly: of no other size, though that space have no name of its own: networks as wide and
            deep as those of `small`, with a stem of stride 1.
    """
    named = micro() if size <= 8 else small() if size <= 32 else paper()
    if not exactly or named.image_size == size:
        return named
    base = small()
    widths, depths = base.stage_widths, (base.depth,) * len(base.stage_widths)
    return residual(widths, depths, stem=3, image_size=size)


def make_searchable(material: Material, network: ResNet | None) -> tuple[dict[str, Any], str]:
    """Make the largest member of the plan's space, and keep it.

    Args:
        material: of the compression.
        network: the teacher in its own family; None for a proxy.

    Returns:
        What was found, and a line about it.
    """
    task, plan, asked = material.task, material.plan, material.asked
    if network is None:
        space = by_name(plan.space)
        network = ResNet(space, space.largest, num_classes=task.num_classes)
        initialise(network, generator=torch.Generator().manual_seed(material.asked.seed))
        recipe = material.recipe(epochs=plan.proxy_epochs, learning_rate=plan.proxy_rate)
        curve = material.trained(
            network, recipe, epochs=recipe.epochs, role="proxy", progress=True
        )
        done = f"a proxy of {space.name} learned from it for {recipe.epochs} epochs"
    else:
        curve = []
        done = f"its own weights at {task.image_size} px"
        if task.image_size != material.oracle.preprocessing.size:
            before = accuracy(network, task.validation)
            recalibrate(network, task.train.images, batch_size=64)
            done += f", batch norms measured anew (before that {100 * before:.1f} %)"
    reached = accuracy(network, task.validation)
    teacher = Teacher(
        name=f"{network.space.name}.{task.name}.compressed-{material.oracle.identity[:8]}.0",
        network=network,
        accuracy=max(reached, 1 / (2 * len(task.validation))),  # none right is less than one
        task=material.asked.task,
    )
    material.folder.store.write_all(
        f"{material.folder.work}/teacher", pack_teacher(teacher), "config.json"
    )
    material.kept["teacher"] = teacher
    facts = {"accuracy": reached, "curve": curve, "flops": teacher.flops}
    facts |= {"parameters": teacher.parameters, "space": network.space.name, "way": plan.way}
    measure = Measure(name="agreement with the teacher" if asked.unlabelled else "accuracy")
    beside = ""
    if asked.task.seen and not asked.unlabelled:  # else it may have been trained on these
        checked = material.folder.found("check")
        assert checked is not None, "the teacher is checked first"
        beside = f", the teacher itself {100 * checked['accuracy']:.1f} %"
    return facts, f"{done}: {measure.told(reached, 'validation')}{beside}"


def _same(module: nn.Module, network: ResNet, *, size: int) -> bool:
    """Return whether two networks compute the same of the same input."""
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    module.eval()
    with torch.no_grad():
        theirs, ours = logits_of(module(x.to(next(module.parameters())))), network(x)
    worst = float((theirs.float().cpu() - ours).abs().max())
    return theirs.shape == ours.shape and worst <= ALIKE * max(1.0, float(theirs.abs().max()))
