"""A user's own torchvision network from end to end: kept, adopted, distilled, built, exported."""

import json
import shlex
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save

from dass.data.task import TaskConfig, load_task
from dass.errors import CorruptArtifact, InvalidArchitecture, InvalidConfig
from dass.networks.family import space_of_state_dict
from dass.networks.onnx import run_onnx, to_onnx
from dass.networks.resnet import ResNet, initialise
from dass.networks.teacher import Teacher
from dass.pipeline.students import distill
from dass.predictor.embed import embed
from dass.registry import artifacts
from dass.registry.adoption import read_weights
from dass.registry.embeddings import embeddings_of, pack_embeddings, unpack_embeddings
from dass.registry.networks import pack_student, pack_teacher, unpack_student, unpack_teacher
from dass.registry.registry import Registry
from dass.space.spaces import by_name
from dass.store.store import Store
from dass.training.batches import Online
from dass.training.distillation import train
from dass.training.inference import accuracy, predict_logits
from dass.training.recipe import Recipe
from jobs.adopt import AdoptConfig, take
from jobs.build import build, following
from jobs.planning.plan import SplitPlan
from jobs.presets import micro

SPACE = by_name("resnet-w8.8.16.32-d2.1.2.1-s3@8")
RECIPE = Recipe(epochs=4, batch_size=8, padding=1, warmup_epochs=1, learning_rate=0.1)


@pytest.fixture(scope="module")
def owner(digits):
    """A teacher of torchvision's kind, 12 short epochs old."""
    network = ResNet(SPACE, SPACE.largest, num_classes=digits.num_classes)
    initialise(network, generator=torch.Generator().manual_seed(0))
    recipe = replace(RECIPE, epochs=12, hard_weight=1.0)
    for _ in train(network, Online(digits.train, padding=1, flip=False), recipe=recipe, seed=0):
        pass
    return Teacher(
        name="own",
        network=network.eval(),
        accuracy=accuracy(network, digits.validation),
        task=digits.config,
    )


def member(seed=0):
    return SPACE.sample(1, generator=torch.Generator().manual_seed(seed))[0]


def test_a_teacher_and_its_embeddings_come_back_from_a_store(owner, tmp_path):
    registry = Registry(Store(str(tmp_path)))
    registry.put_teacher(owner, {})
    again = registry.teacher("own")
    assert again.network.space == SPACE and again.flops == owner.flops
    for name, tensor in owner.network.state_dict().items():
        assert again.network.state_dict()[name].equal(tensor)
    kept = unpack_embeddings(pack_embeddings(embeddings_of(owner, [str(member())])))
    expected = embed(owner.network, [SPACE.largest, member()])
    assert torch.allclose(kept.feature_maps, expected, rtol=1e-2, atol=1e-2)


def test_a_manifest_of_no_such_space_is_refused(owner):
    files = pack_teacher(owner)
    config = json.loads(files[artifacts.MANIFEST]) | {"space": "resnet-w8.8.16.32-d2.1.2-s3@8"}
    with pytest.raises(CorruptArtifact, match="as many depths as widths"):
        unpack_teacher(files | {artifacts.MANIFEST: json.dumps(config).encode()})


def test_a_student_learns_from_inherited_features_and_is_exported(owner, digits):
    architecture = SPACE.largest  # what is inherited whole is as good before it learns
    kept = {name: tensor.clone() for name, tensor in owner.network.state_dict().items()}
    cut = replace(RECIPE, learning_rate=0.02, warmup_epochs=0)
    _, record = distill(owner, architecture, digits, recipe=cut)
    assert owner.accuracy > 0.75 and record.curve[0] > owner.accuracy - 0.1
    small, short = distill(owner, str(member()), digits, recipe=replace(RECIPE, epochs=10))
    assert short.space == SPACE.name and short.architecture == str(member())
    assert short.validation_accuracy > 0.6, "where chance is a third"
    assert all(t.equal(kept[name]) for name, t in owner.network.state_dict().items())
    (flops,) = SPACE.flops([member()], num_classes=3)
    assert (short.flops, short.parameters) == (flops, sum(p.numel() for p in small.parameters()))
    read, facts = unpack_student(pack_student(small, {}))
    assert facts["image_size"] == 8 and read.architecture == member()
    images = digits.test.images[:9]
    assert torch.equal(predict_logits(read, images), predict_logits(small, images))
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    logits = run_onnx(to_onnx(small), x)
    with torch.no_grad():
        assert torch.allclose(logits, small(x), rtol=1e-4, atol=1e-4)


# --- a user's own weights ------------------------------------------------------------------


def weights(owner, prefix="", **changes):
    state = owner.network.state_dict() | changes
    return save({prefix + n: t.contiguous() for n, t in state.items()})


@pytest.mark.parametrize("prefix", ["", "module.", "model._orig_mod."])
def test_own_weights_are_read_for_their_space(owner, prefix):
    network = read_weights(weights(owner, prefix), space=SPACE, num_classes=3, where="w")
    assert all(t.equal(owner.network.state_dict()[n]) for n, t in network.state_dict().items())


@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_of_the_family_given_for_another_space_are_told_theirs(owner, prefix):
    for space in (by_name("micro"), by_name("resnet18@8")):
        with pytest.raises(CorruptArtifact, match=f"are of space '{SPACE.name}'; name that space"):
            read_weights(weights(owner, prefix), space=space, num_classes=3, where="w")


def test_weights_of_another_head_are_told_so_in_their_own_space(owner):
    with pytest.raises(CorruptArtifact, match="another head size: 3 classes where 5"):
        read_weights(weights(owner), space=SPACE, num_classes=5, where="w")


def test_own_weights_are_adopted_by_the_job(owner, digits, tmp_path, capsys):
    path = tmp_path / "w.safetensors"
    path.write_bytes(weights(owner))
    config = AdoptConfig(
        store=str(tmp_path / "store"), space=SPACE.name, weights=str(path), task=digits.config
    )
    adopted = take(config)
    assert adopted.accuracy == owner.accuracy
    assert Registry(Store(config.store)).teacher(adopted.name).network.space == SPACE
    assert space_of_state_dict(adopted.network.state_dict(), image_size=8) == SPACE


def test_own_weights_of_other_pixels_are_adopted_as_they_were_trained(owner, digits, tmp_path):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    state = owner.network.state_dict()
    stem, double = state["conv1.weight"], torch.tensor([mean, std])
    theirs = stem * (double[1] / 0.5)[:, None, None]
    shift = (stem.sum((2, 3)) * (double[0] - 0.5) / 0.5).sum(1)
    path = tmp_path / "w.safetensors"
    changed = {
        "conv1.weight": theirs.flip(1),
        "bn1.running_mean": state["bn1.running_mean"] - shift,
    }
    path.write_bytes(weights(owner, **changed))
    config = AdoptConfig(
        store=str(tmp_path / "store"), space=SPACE.name, weights=str(path), task=digits.config
    )
    taken = take(replace(config, mean=mean[::-1], std=std[::-1], channels="BGR"))
    images = digits.validation.images
    ours = predict_logits(owner.network, images)
    assert torch.allclose(predict_logits(taken.network, images), ours, atol=1e-4)
    as_it_is = take(config)
    assert as_it_is.name != taken.name
    assert not torch.allclose(predict_logits(as_it_is.network, images), ours, atol=1e-1)
    with pytest.raises(InvalidConfig, match="std > 0"):
        replace(config, std=(0.0, 1.0, 1.0))


# --- a build -------------------------------------------------------------------------------


def test_a_build_labels_members_of_a_derived_space(tmp_path, capsys):
    base = micro.build()
    few = TaskConfig(source="digits", train_per_class=8, validation_per_class=40, flip=False)
    config = replace(
        base,
        store=str(tmp_path),
        space=SPACE.name,
        splits=(
            SplitPlan(role="train", task=replace(few, only=("0", "1", "2"))),
            SplitPlan(role="validation", task=replace(few, only=("4", "5", "6"))),
        ),
        pool=2,
        per_task=1,
        seeds=1,
        teacher=replace(base.teacher, epochs=2),
        student=replace(base.student, epochs=1),
        workers=1,
    )
    build(config)
    registry = Registry(Store(str(tmp_path)))
    records = registry.records()
    assert len(records) == 6 and {record.space for record in records} == {SPACE.name}
    for record in records:
        assert registry.teacher(record.teacher).network.space == SPACE
        text = record.architecture
        assert text.count("=") == 4 and record.key.isalnum()
    words = shlex.split(following(config, records))
    assert words[:5] == ["dass", "train", "small", "--space", SPACE.name]
    images = load_task(config.splits[0].task, image_size=8)
    teacher = registry.teacher(records[0].teacher)
    with pytest.raises(InvalidArchitecture, match="headed by its stream's width"):
        distill(teacher, "8_8_16_32", images)
