"""Artifacts: what goes in comes out, and what is broken is refused in words of its own."""

import io
import json
import pickle

import pytest
import torch
from safetensors.torch import save

from dass.errors import CorruptArtifact
from dass.networks.remap import student
from dass.predictor.ensemble import Ensemble
from dass.predictor.network import Predictor, PredictorConfig
from dass.registry import artifacts
from dass.registry.networks import pack_student, pack_teacher, unpack_student, unpack_teacher
from dass.registry.predictors import pack_ensemble, unpack_ensemble
from dass.searching.prediction import predictions


@pytest.fixture(scope="module")
def ensemble():
    config = PredictorConfig(space="micro", recipe="r", hidden=4, features=6)
    return Ensemble(
        tuple(Predictor(config, generator=torch.Generator().manual_seed(i)) for i in range(2))
    )


def test_a_teacher_comes_back_whole(teacher, tmp_path):
    files = pack_teacher(teacher)
    assert list(files)[-1] == artifacts.MANIFEST
    artifacts.save_folder(tmp_path, files)
    again = unpack_teacher(artifacts.load_folder(tmp_path))
    assert (again.name, again.accuracy, again.task) == (
        teacher.name,
        teacher.accuracy,
        teacher.task,
    )
    for name, tensor in teacher.network.state_dict().items():
        assert again.network.state_dict()[name].equal(tensor)


def test_a_student_and_a_predictor_come_back_whole(teacher, ensemble):
    network = student(teacher.network, teacher.network.space.smallest)
    again, facts = unpack_student(pack_student(network, {"seed": 3}))
    assert facts["seed"] == 3 and again.architecture == network.architecture
    read, card = unpack_ensemble(pack_ensemble(ensemble, {"n": 1}))
    assert card == {"n": 1}
    asked = [teacher.network.space.smallest, teacher.network.space.largest]
    assert predictions(read, teacher, asked) == predictions(ensemble, teacher, asked)


def broken(files, name, data):
    return {**files, name: data}


def torch_save(files):
    buffer = io.BytesIO()
    torch.save({"fc.bias": torch.zeros(3)}, buffer)
    return broken(files, artifacts.WEIGHTS, buffer.getvalue())


def with_tensor(files, change):
    tensors = artifacts.tensors(files[artifacts.WEIGHTS])
    change(tensors)
    return broken(files, artifacts.WEIGHTS, save(tensors))


def with_config(files, **changes):
    config = json.loads(files[artifacts.MANIFEST]) | changes
    return broken(files, artifacts.MANIFEST, json.dumps(config).encode())


BREAKAGES = {
    "pickle": lambda f: broken(f, artifacts.WEIGHTS, pickle.dumps({"fc.bias": 1})),
    "a pickle": torch_save,
    "truncated": lambda f: broken(f, artifacts.WEIGHTS, f[artifacts.WEIGHTS][:-100]),
    "NaN": lambda f: with_tensor(f, lambda t: t["fc.bias"].fill_(float("nan"))),
    "must be .3,. but is .4,.": lambda f: with_tensor(
        f, lambda t: t.update({"fc.bias": torch.zeros(4)})
    ),
    "fc.bias is missing": lambda f: with_tensor(f, lambda t: t.pop("fc.bias")),
    "extra is unknown": lambda f: with_tensor(f, lambda t: t.update({"extra": torch.zeros(1)})),
    "must be a teacher": lambda f: with_config(f, kind="student"),
    "format 1": lambda f: with_config(f, format=2),
    "must fit its space": lambda f: with_config(f, space="nano"),
    "num_classes": lambda f: with_config(f, num_classes="three"),
    "unusable": lambda f: with_config(f, accuracy=73),
    "must be JSON": lambda f: broken(f, artifacts.MANIFEST, b"{"),
    "must have config.json": lambda f: {artifacts.WEIGHTS: f[artifacts.WEIGHTS]},
}


@pytest.mark.parametrize("words", BREAKAGES)
def test_a_broken_teacher_is_refused_in_its_own_words(words, teacher):
    files = BREAKAGES[words](pack_teacher(teacher))
    with pytest.raises(CorruptArtifact, match=words):
        unpack_teacher(files)


def test_a_predictor_of_another_space_or_recipe_is_refused(ensemble):
    files = pack_ensemble(ensemble, {})
    with pytest.raises(CorruptArtifact, match="space 'small' is needed"):
        unpack_ensemble(files, space="small")
    with pytest.raises(CorruptArtifact, match="recipe 'other' is needed"):
        unpack_ensemble(files, recipe="other")
    with pytest.raises(CorruptArtifact, match="settings"):
        unpack_ensemble(with_config(files, members=[{"space": "micro"}]))


def test_a_folder_without_manifest_is_not_there(tmp_path):
    with pytest.raises(CorruptArtifact, match=artifacts.MANIFEST):
        artifacts.load_folder(tmp_path)


@pytest.mark.parametrize("method", ["read_bytes", "exists"])
def test_a_folder_that_may_not_be_read_is_a_sentence(method, teacher, tmp_path, monkeypatch):
    artifacts.save_folder(tmp_path, pack_teacher(teacher))

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), method, forbidden)
    with pytest.raises(CorruptArtifact, match=r"must be readable, but .*Permission denied"):
        artifacts.load_folder(tmp_path)


def test_a_header_whose_length_starts_like_a_pickle_is_none():
    """The lowest byte of the length of the header may be any multiple of eight."""
    for name in ("a" * n for n in range(1, 260)):
        data = save({name: torch.zeros(1)})
        if data[:1] == b"\x80":
            break
    assert data[:1] == b"\x80"
    assert artifacts.tensors(data)[name].equal(torch.zeros(1))
