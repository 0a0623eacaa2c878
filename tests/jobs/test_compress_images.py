"""`dass compress` on images as owners have them: seen by the teacher, unbalanced, without classes.

The teacher is no ResNet (the nearest mean of each class), so that its students are of `micro`.
"""

import json
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import dass
from dass.errors import InvalidConfig, InvalidData, NameTaken, UnfitTeacher
from dass.evaluation.class_scores import class_scores
from dass.networks.oracles.oracle import classifier_of
from dass.networks.oracles.preprocessing import Preprocessing
from dass.networks.resnet import ResNet
from dass.pipeline.compression import material
from dass.pipeline.compression import order as orders
from dass.space.architecture import Architecture
from dass.space.spaces import micro
from dass.training.inference import predict_logits
from jobs import cli
from tests.support.oracles import onnx_file

SHORT = {"minutes": 0.05, "verify": 2, "epochs": 2, "views": 1, "candidates": 20,
         "student_size": 8}  # fmt: skip
BEFORE = Preprocessing(size=8, resize=8, mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture(autouse=True)
def fast_order(monkeypatch):
    """Order by size, as where the labels are not shipped."""

    def nothing(*_, **__):
        raise InvalidData("no labels")

    monkeypatch.setattr(orders, "fit_teacher_blind", nothing)


@pytest.fixture
def recipes(monkeypatch):
    """The recipe of each training, filled as they go."""
    given, real = [], material.train

    def train(*values, recipe, **named):
        given.append(recipe)
        return real(*values, recipe=recipe, **named)

    monkeypatch.setattr(material, "train", train)
    return given


@pytest.fixture(scope="module")
def digits():
    config = dass.TaskConfig(source="digits", only=("0", "1", "2"), train_per_class=60)
    return dass.load_task(config, image_size=8).train


@pytest.fixture(scope="module")
def network(digits):
    """Five outputs, of which the last two never win."""
    x = digits.images.float().div(255).sub(0.5).div(0.5).flatten(1)
    means = torch.stack([x[digits.labels == label].mean(0) for label in range(3)])
    layer = nn.Linear(3 * 64, 5)
    with torch.no_grad():
        layer.weight.zero_()[:3] = means
        layer.bias.fill_(-1e3)[:3] = -means.square().sum(1) / 2
    return nn.Sequential(nn.Flatten(), layer).eval()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    return onnx_file(tmp_path_factory.mktemp("exported") / "mine.onnx", network, size=8)


@pytest.fixture(scope="module")
def oracle(network):
    whole = classifier_of(network, name="nearest mean", preprocessing=BEFORE)
    return whole.with_outputs((0, 1, 2))


def photos(root, digits, *, counts=(60, 60, 60), home="digit {label}"):
    """Save so many of each class and return their names; classes are folders unless told."""
    names, left = [], list(counts)
    for number, (image, label) in enumerate(zip(digits.images, digits.labels.tolist(),
                                                strict=True)):  # fmt: skip
        if left[label]:
            left[label] -= 1
            file = root / home.format(label=label, tenth=number % 10) / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(file)
            names.append(file.relative_to(root).as_posix())
    return names


def made(oracle, root, into, *, said, **settings):
    images = dass.TaskConfig(source=f"folder:{root}", flip=False)
    return dass.compress(oracle, images, into=str(into), say=said.append, **SHORT | settings)


def student_of(into):
    facts = json.loads((into / "config.json").read_text())
    student = ResNet(micro(), Architecture.parse(facts["architecture"]),
                     num_classes=facts["num_classes"])  # fmt: skip
    student.load_state_dict(load_file(into / "student.safetensors"))
    return student.eval()


def test_what_the_teacher_saw_is_never_tested_on_and_the_first_line_says_so(
    oracle, digits, tmp_path
):
    names, said = photos(tmp_path / "photos", digits), []
    file, into = tmp_path / "seen.txt", tmp_path / "run"
    file.write_text("# of March\n" + "\n".join(f".\\{n}".replace("/", "\\") for n in names[::2]))
    made(oracle, tmp_path / "photos", into, said=said, teacher_split=str(file))
    line = f"Unseen by the teacher: none of the 27 test images is among the {len(names[::2])}"
    page, card = ((into / name).read_text() for name in ("report.html", "README.md"))
    assert f'<p class="note">{line}' in page and line in card
    assert any(line in each for each in said)
    assert "ossibly seen" not in page + card + "".join(said)
    assert any("the teacher itself" in each for each in said)
    file.write_text("\n".join(names[1::2]))
    with pytest.raises(NameTaken, match="another task"):
        made(oracle, tmp_path / "photos", into, said=said, teacher_split=str(file))
    file.write_text("digit 7/1.png\n" + names[0])
    with pytest.raises(InvalidData, match=r"1 name none: 'digit 7/1\.png'"):
        made(oracle, tmp_path / "photos", tmp_path / "other", said=said, teacher_split=file)


def test_unbalanced_classes_are_weighed_and_judged_alike(oracle, digits, tmp_path, recipes):
    photos(tmp_path / "photos", digits, counts=(60, 12, 20))
    said, into = [], tmp_path / "run"
    found = made(oracle, tmp_path / "photos", into, said=said, balanced=True)
    task = dass.load_task(
        dass.TaskConfig(source=f"folder:{tmp_path / 'photos'}", flip=False), image_size=8
    )
    counts = task.train.labels.bincount()
    assert len(recipes) >= 4, "proxy, two verified, the last"
    for recipe in recipes:
        shares = torch.tensor(recipe.class_weights) * counts
        assert torch.allclose(shares, shares.mean().expand(3))
        assert recipe.hard_weight == 0.5
    student, part = student_of(into), task.validation
    scores = class_scores(predict_logits(student, part.images).argmax(1), part.labels, classes=3)
    assert found["distil"]["curve"][-1] == pytest.approx(scores.balanced)
    last = found["verify"]["rounds"][-1]["students"]
    best = max(last, key=lambda each: each["measured"])
    assert found["verify"]["architecture"] == best["architecture"]
    page = (into / "report.html").read_text()
    assert "<th>network</th><th>balanced test accuracy</th>" in page
    assert any("balanced accuracy" in line for line in said if line.startswith("distil"))
    assert (
        "no gap to the teacher is claimed" in page and "(on images it has possibly seen)" in page
    )
    assert not any("the teacher itself" in line for line in said)


@pytest.mark.parametrize("home", ["", "trip {tenth}/day"])
def test_pictures_without_classes_make_a_student_that_agrees_with_the_teacher(
    network, exported, digits, tmp_path, recipes, monkeypatch, capsys, home
):
    names = photos(tmp_path / "photos", digits, home=home)
    monkeypatch.chdir(tmp_path)
    shutil.copy(exported, "mine.onnx")
    (tmp_path / "seen.txt").write_text("\n".join(names[::3]))
    words = ["--teacher", "onnx:mine.onnx", "--data", "folder:photos", "--into", "run",
             "--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5", "--size", "8",
             "--student-size", "8", "--minutes", "0.05", "--verify", "2", "--epochs", "2",
             "--views", "1", "--candidates", "20", "--no-flip", "--unlabelled"]  # fmt: skip
    words += ["--teacher-split", "seen.txt"] if home else []
    code, printed = cli.main(["compress", *words]), capsys.readouterr()
    assert code == 0, printed.err
    assert recipes and all(recipe.hard_weight == 0 for recipe in recipes)

    into = tmp_path / "run"
    oracle = classifier_of(network, preprocessing=BEFORE)
    config = dass.TaskConfig(source="folder:photos", flip=False,
                             seen=tuple(names[::3]) if home else ())  # fmt: skip
    test = dass.load_task(config, image_size=8, unlabelled=True).test.images
    student = student_of(into)
    agree = predict_logits(student, test).argmax(1) == oracle.logits(test).argmax(1)
    exported = json.loads((into / "work" / "steps" / "export.json").read_text())
    scores = exported["models"]["torch"]["scores"]
    assert scores["accuracy"] == pytest.approx(float(agree.double().mean()))
    assert scores["recall"][3:] == [None, None] and None not in scores["recall"][:3]
    assert json.loads((into / "config.json").read_text())["class_names"] == list("01234")

    page, card = ((into / name).read_text() for name in ("report.html", "README.md"))
    assert '<p class="note">Agreement with the teacher, not accuracy' in page
    assert "Agreement with the teacher, not accuracy" in card
    assert ("Unseen by the teacher" if home else "Possibly seen by the teacher") in page
    for text in (page.partition("</h1>")[2], card, printed.out):
        assert "agreement with the teacher" in text
        left = text.replace("not accuracy", "")
        assert "accuracy" not in left and "% of validation" not in left


def test_a_teacher_that_answers_one_class_to_all_is_refused(digits, tmp_path):
    photos(tmp_path / "photos", digits, home="")
    one = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 3))
    nn.init.zeros_(one[1].weight)
    constant = classifier_of(one, name="constant", preprocessing=BEFORE)
    with pytest.raises(UnfitTeacher, match=r"(?s)normalised otherwise.*100.0 % of .*--mean"):
        made(constant, tmp_path / "photos", tmp_path / "run", said=[], unlabelled=True)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"unlabelled": True, "balanced": True}, InvalidConfig, "`balanced` must be off"),
        ({"into": "s3://bucket/run"}, InvalidConfig, "goes on from files there.*copy that"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(
    oracle, digits, tmp_path, settings, error, message
):
    photos(tmp_path / "photos", digits, counts=(5, 5, 5))
    with pytest.raises(error, match=message):
        made(oracle, tmp_path / "photos", said=[], **{"into": tmp_path / "run"} | settings)


def test_images_without_classes_are_pictures_in_a_folder(oracle, digits, tmp_path):
    with pytest.raises(InvalidConfig, match="folder of pictures, but got 'digits'"):
        dass.compress(oracle, "digits", into=str(tmp_path / "run"), unlabelled=True)
    for source, message in (("nowhere", "is none"), ("empty", "only 1 .txt")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "empty" / "a.txt").write_text("no picture")
        with pytest.raises(InvalidData, match=message):
            made(oracle, tmp_path / source, tmp_path / "run", said=[], unlabelled=True)
    photos(tmp_path / "photos", digits, counts=(1, 1, 0), home="")
    with pytest.raises(InvalidData, match=r"must have 3 images .*but has 2"):
        made(oracle, tmp_path / "photos", tmp_path / "run", said=[], unlabelled=True)
