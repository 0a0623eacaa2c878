"""Oracles: every kind keeps the contract and says what its own library says."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import dass
from dass.errors import CorruptArtifact, InvalidConfig, UnknownName
from dass.networks.oracles.address import load_oracle
from dass.networks.oracles.huggingface import preprocessing_of
from dass.networks.oracles.oracle import classifier_of
from dass.networks.oracles.preprocessing import Preprocessing, adjusted
from dass.networks.usage import usage
from dass.testing import OracleContract
from dass.training.inference import predict_logits
from tests.support.oracles import (
    NAMES,
    huggingface_folder,
    onnx_file,
    tiny,
    torchvision_weights,
)

SMALL = Preprocessing(size=32, resize=36)


def smooth(height=90, width=120, seed=0):
    """A picture without edges: every way to resize gives nearly the same."""
    noise = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    pixels = nn.functional.interpolate(noise, size=(height, width), mode="bilinear")
    return pixels.mul(255).round().to(torch.uint8)


def as_picture(pixels):
    return Image.fromarray(pixels[0].permute(1, 2, 0).numpy())


# --- every kind keeps the contract -----------------------------------------------------------


class TestModule(OracleContract):
    @pytest.fixture(scope="class")
    @classmethod
    def oracle(cls):
        """One that was left in training mode: dropout and batch norm must not show."""
        return classifier_of(tiny().train(), preprocessing=SMALL, class_names=NAMES)


class TestFunction(OracleContract):
    @pytest.fixture(scope="class")
    @classmethod
    def oracle(cls):
        network = tiny()
        return classifier_of(lambda x: {"logits": network(x)}, preprocessing=SMALL)


class TestTorchvision(OracleContract):
    @pytest.fixture(scope="class")
    @classmethod
    def oracle(cls, tmp_path_factory):
        tmp_path = tmp_path_factory.mktemp("teacher")
        torchvision_weights(tmp_path / "w.safetensors")
        return load_oracle(
            "torchvision:shufflenet_v2_x0_5", weights=tmp_path / "w.safetensors", size=48
        )


class TestOnnx(OracleContract):
    @pytest.fixture(scope="class", params=[None, 1, 4])
    @classmethod
    def oracle(cls, tmp_path_factory, request):
        tmp_path = tmp_path_factory.mktemp("teacher")
        file = onnx_file(tmp_path / "t.onnx", tiny(), batch=request.param)
        return load_oracle(f"onnx:{file}", classes=NAMES)


class TestTimm(OracleContract):
    @pytest.fixture(scope="class")
    @classmethod
    def oracle(cls, tmp_path_factory):
        tmp_path = tmp_path_factory.mktemp("teacher")
        timm = pytest.importorskip("timm")
        network = timm.create_model("mobilenetv3_small_050", num_classes=3)
        save_file(network.state_dict(), tmp_path / "w.safetensors")
        return load_oracle(
            "timm:mobilenetv3_small_050", weights=tmp_path / "w.safetensors", size=64
        )


class TestHuggingFace(OracleContract):
    @pytest.fixture(scope="class")
    @classmethod
    def oracle(cls, tmp_path_factory):
        tmp_path = tmp_path_factory.mktemp("teacher")
        pytest.importorskip("transformers")
        huggingface_folder(tmp_path)
        return load_oracle(f"huggingface:{tmp_path}")


# --- preprocessing ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(90, 120), (131, 97), (256, 256), (20, 33)])
@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
def test_preprocessing_is_what_torchvision_does_with_a_picture(shape, kind):
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms._presets import ImageClassification

    pixels = smooth(*shape)
    theirs = ImageClassification(
        crop_size=40, resize_size=48, interpolation=InterpolationMode(kind), antialias=True
    )(as_picture(pixels))
    ours = Preprocessing(size=40, resize=48, interpolation=kind)(pixels)[0]
    assert ours.shape == theirs.shape
    one_level = 1 / 255 / 0.224
    assert float((ours - theirs).abs().max()) <= 2.5 * one_level
    assert float((ours - theirs).abs().mean()) <= 0.4 * one_level


def test_stretching_keeps_no_shape_and_bgr_turns_the_channels():
    pixels = torch.zeros(1, 3, 4, 8, dtype=torch.uint8)
    pixels[:, 0, :, 4:] = 255
    plain = {"size": 4, "resize": 4, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    whole = Preprocessing(**plain, fit="stretch", interpolation="nearest")(pixels)
    assert whole[0, 0].tolist() == [[0, 0, 1, 1]] * 4 and not whole[0, 1:].any()
    cut = Preprocessing(**plain)(pixels)
    assert cut[0, 0].tolist() == [[0, 0, 1, 1]] * 4, "the centre of it"
    assert Preprocessing(**plain, channels="BGR")(pixels).equal(cut.flip(1))
    levels = Preprocessing(**plain | {"std": (1 / 255,) * 3})(pixels)
    assert levels.unique().tolist() == pytest.approx([0, 255])


def test_a_size_alone_cuts_nothing_off_and_settings_that_cannot_be_are_refused():
    assert adjusted(Preprocessing(), size=96).resize == 96
    assert adjusted(Preprocessing(), size=96, resize=110).resize == 110
    with pytest.raises(InvalidConfig, match="size ≤ resize"):
        adjusted(Preprocessing(), resize=100)
    with pytest.raises(InvalidConfig, match="std > 0"):
        adjusted(Preprocessing(), std=(1.0, 0.0, 1.0))


def test_the_flags_of_a_difference_lead_there():
    there = adjusted(Preprocessing(), size=64, mean=(0.5, 0.5, 0.5), channels="BGR")
    assert Preprocessing().flags(there) == (
        "--size 64 --resize 64 --mean 0.5 0.5 0.5 --channels BGR"
    )
    assert Preprocessing().flags(Preprocessing()) == ""


# --- torchvision ------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict._orig_mod.model."])
def test_a_network_of_torchvision_says_what_it_says_there(tmp_path, prefix):
    file = tmp_path / "w.safetensors"
    network = torchvision_weights(file, "resnet18", 5, prefix=prefix)
    oracle = load_oracle("torchvision:resnet18", weights=file)
    assert oracle.num_classes == 5 and oracle.preprocessing == Preprocessing()
    pixels = smooth()
    with torch.no_grad():
        expected = network(oracle.preprocessing(pixels))
    assert torch.allclose(oracle.logits(pixels), expected, atol=1e-5)


def test_half_precision_is_read_and_other_sizes_are_known(tmp_path):
    from torchvision import models

    network = models.inception_v3(num_classes=4, aux_logits=False, init_weights=False).eval()
    weights = {name: t.half() if t.is_floating_point() else t
               for name, t in network.state_dict().items()}  # fmt: skip
    save_file(weights, tmp_path / "w.safetensors")
    oracle = load_oracle("torchvision:inception_v3", weights=tmp_path / "w.safetensors")
    assert (oracle.preprocessing.size, oracle.preprocessing.resize) == (299, 342)
    assert oracle.logits(smooth()).shape == (1, 4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet34", {}, "are of another depth or variant"),
        ("vgg11", {}, "are of another architecture"),
        ("resnet18", {"num_classes": 7}, "a head of 5 classes where 7 are asked for"),
        ("resnet81", {}, "try resnet18"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_the_cause(tmp_path, name, options, message):
    torchvision_weights(tmp_path / "w.safetensors", "resnet18", 5)
    with pytest.raises((CorruptArtifact, UnknownName), match=message):
        load_oracle(f"torchvision:{name}", weights=tmp_path / "w.safetensors", **options)


def test_a_headless_file_no_file_and_a_pickle_are_refused(tmp_path):
    file = tmp_path / "w.safetensors"
    network = torchvision_weights(file, "resnet18", 5)
    body = {name: t for name, t in network.state_dict().items() if not name.startswith("fc.")}
    save_file(body, file)
    with pytest.raises(CorruptArtifact, match="have no head"):
        load_oracle("torchvision:resnet18", weights=file)
    with pytest.raises(InvalidConfig, match="nothing is downloaded"):
        load_oracle("torchvision:resnet18")
    with pytest.raises(InvalidConfig, match="correct the path"):
        load_oracle("torchvision:resnet18", weights=tmp_path / "none.safetensors")
    torch.save(network.state_dict(), file)
    with pytest.raises(CorruptArtifact, match="dass convert"):
        load_oracle("torchvision:resnet18", weights=file)


# --- ONNX -------------------------------------------------------------------------------------


class ChannelsLast(nn.Module):
    """As an export of Keras: channels last, probabilities out."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.permute(0, 3, 1, 2)).softmax(1)


def export(path, network, example):
    import logging
    import warnings

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(network, (example,), dynamo=True, verbose=False)
    path.write_bytes(program.model_proto.SerializeToString())
    return path


def test_an_onnx_file_says_what_its_network_says(tmp_path):
    network = tiny()
    oracle = load_oracle(f"onnx:{onnx_file(tmp_path / 't.onnx', network)}")
    assert (oracle.preprocessing.size, oracle.preprocessing.resize) == (32, 32)
    pixels = torch.cat([smooth(seed=seed) for seed in range(5)])
    with torch.no_grad():
        expected = network(oracle.preprocessing(pixels))
    assert torch.allclose(oracle.logits(pixels), expected, atol=1e-4)


def test_channels_last_and_probabilities_are_understood(tmp_path):
    network = tiny()
    file = export(tmp_path / "t.onnx", ChannelsLast(network), torch.zeros(1, 24, 24, 3))
    oracle = load_oracle(f"onnx:{file}")
    pixels = torch.cat([smooth(seed=seed) for seed in range(3)])
    with torch.no_grad():
        expected = network(oracle.preprocessing(pixels)).log_softmax(1)
    assert oracle.preprocessing.size == 24
    assert torch.allclose(oracle.logits(pixels), expected, atol=1e-4)


def test_a_graph_of_levels_is_given_levels(tmp_path):
    class Levels(nn.Module):
        def forward(self, x):
            return x.float().mean((2, 3))

    example = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    oracle = load_oracle(f"onnx:{export(tmp_path / 't.onnx', Levels(), example)}")
    pixels = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    assert torch.allclose(oracle.logits(pixels), pixels.float().mean((2, 3)), atol=1e-2)


def test_a_student_that_was_exported_here_is_an_oracle_as_it_is(tmp_path, teacher, digits):
    facts = usage(teacher.network, class_names=digits.class_names)
    (tmp_path / "model.onnx").write_bytes(dass.to_onnx(teacher.network, facts))
    oracle = load_oracle(f"onnx:{tmp_path / 'model.onnx'}")
    assert oracle.class_names == digits.class_names
    expected = predict_logits(teacher.network, digits.test.images)
    assert torch.allclose(oracle.logits(digits.test.images), expected, atol=1e-3)


def test_files_that_are_no_classifier_are_refused(tmp_path):
    file = onnx_file(tmp_path / "t.onnx", tiny())
    with pytest.raises(InvalidConfig, match="must be the 32 pixels"):
        load_oracle(f"onnx:{file}", size=64)
    with pytest.raises(InvalidConfig, match="leave `weights` out"):
        load_oracle(f"onnx:{file}", weights="w.safetensors")
    with pytest.raises(InvalidConfig, match="must be a file"):
        load_oracle(f"onnx:{tmp_path / 'none.onnx'}")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(CorruptArtifact, match="must be an ONNX file"):
        load_oracle(f"onnx:{tmp_path / 'text.onnx'}")
    rows = export(tmp_path / "rows.onnx", nn.Linear(4, 3), torch.zeros(1, 4))
    with pytest.raises(CorruptArtifact, match="must take one batch of pictures"):
        load_oracle(f"onnx:{rows}")
    grey = export(tmp_path / "grey.onnx", nn.Conv2d(1, 3, 3), torch.zeros(1, 1, 8, 8))
    with pytest.raises(CorruptArtifact, match="must take 3 channels"):
        load_oracle(f"onnx:{grey}")
    model = onnx.load(file)
    onnx.save(model, tmp_path / "big.onnx", save_as_external_data=True, location="big.data",
              size_threshold=100)  # fmt: skip
    whole = load_oracle(f"onnx:{tmp_path / 'big.onnx'}")
    pixels = smooth()
    assert torch.allclose(whole.logits(pixels), load_oracle(f"onnx:{file}").logits(pixels))
    (tmp_path / "big.data").unlink()
    with pytest.raises(CorruptArtifact, match=r"keeps tensors in big\.data"):
        load_oracle(f"onnx:{tmp_path / 'big.onnx'}")


# --- Hugging Face, timm -----------------------------------------------------------------------


@pytest.mark.parametrize("normalise", [True, False])
def test_a_folder_of_hugging_face_says_what_it_says_there(tmp_path, normalise):
    transformers = pytest.importorskip("transformers")
    network = huggingface_folder(tmp_path, normalise=normalise)
    oracle = load_oracle(f"huggingface:{tmp_path}")
    assert oracle.class_names == NAMES and oracle.preprocessing.fit == "stretch"
    pixels = smooth()
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    given = processor(images=as_picture(pixels), return_tensors="pt")
    with torch.no_grad():
        expected = network(**given).logits
    assert torch.allclose(oracle.logits(pixels), expected, atol=5e-3)


def test_a_folder_that_lacks_something_is_refused(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(InvalidConfig, match="must be a local folder"):
        load_oracle("huggingface:google/vit-base-patch16-224")
    huggingface_folder(tmp_path, names=("LABEL_0", "LABEL_1"))
    assert load_oracle(f"huggingface:{tmp_path}").class_names is None
    facts = json.loads((tmp_path / "preprocessor_config.json").read_text())
    facts |= {"image_processor_type": "EfficientNetImageProcessor", "rescale_offset": True}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(facts))
    with pytest.raises(CorruptArtifact, match="does something else"):
        load_oracle(f"huggingface:{tmp_path}")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(CorruptArtifact, match="dass convert"):
        load_oracle(f"huggingface:{tmp_path}")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"size": {"height": 36, "width": 36}, "do_center_crop": True, "crop_size": 32},
         {"size": 32, "resize": 36, "fit": "stretch"}),
        ({"size": {"shortest_edge": 36}, "do_center_crop": True,
          "crop_size": {"height": 32, "width": 32}}, {"size": 32, "resize": 36, "fit": "crop"}),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875},
         {"size": 224, "resize": 256, "fit": "crop"}),
        ({"size": 48, "resample": 3}, {"size": 48, "resize": 48, "interpolation": "bicubic"}),
        ({"size": 48, "do_flip_channel_order": True, "do_normalize": False},
         {"mean": (0, 0, 0), "std": (1, 1, 1), "channels": "BGR"}),
        ({"size": 48, "do_rescale": False, "do_normalize": False}, {"std": (1 / 255,) * 3}),
    ],
)  # fmt: skip
def test_the_spellings_of_a_preprocessor_are_read(facts, expected):
    usual = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    found = preprocessing_of(usual | facts)
    assert {name: pytest.approx(getattr(found, name)) if name in ("mean", "std")
            else getattr(found, name) for name in expected} == expected  # fmt: skip


def test_a_network_of_timm_says_what_it_says_there(tmp_path):
    timm = pytest.importorskip("timm")
    network = timm.create_model("vit_tiny_patch16_224", num_classes=3).eval()
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    oracle = load_oracle("timm:vit_tiny_patch16_224", weights=tmp_path / "w.safetensors")
    config = timm.data.resolve_data_config({}, model=network)
    pixels = smooth(300, 260)
    with torch.no_grad():
        expected = network(timm.data.create_transform(**config)(as_picture(pixels))[None])
    assert torch.allclose(oracle.logits(pixels), expected, atol=1e-2)
    with pytest.raises(UnknownName, match="must name a classifier of timm"):
        load_oracle("timm:hf-hub:somebody/network", weights=tmp_path / "w.safetensors")


WITHOUT = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in ("timm", "transformers"):
            raise ImportError(f"no module named {name}")
sys.meta_path.insert(0, Blocker())
from dass.errors import InvalidConfig
from dass.networks.oracles.address import load_oracle
for address in sys.argv[1:]:
    try:
        load_oracle(address, weights=None)
    except InvalidConfig as error:
        print(error)
"""


def test_a_package_that_is_not_installed_is_named_with_its_extra(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    addresses = ("timm:resnet18", f"huggingface:{tmp_path}")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *addresses],
        capture_output=True, text=True, cwd=Path(__file__).parents[4],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "dass-ray[timm]" in done.stdout and "dass-ray[huggingface]" in done.stdout


# --- addresses, names, functions ---------------------------------------------------------------


@pytest.mark.parametrize("address", ["resnet18", "keras:x", "torchvision:", ":x"])
def test_an_address_of_no_kind_is_told_the_kinds(address):
    with pytest.raises(UnknownName, match="huggingface:FOLDER"):
        load_oracle(address)


def test_an_archive_of_torch_export_is_refused_and_the_way_to_onnx_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = tiny()
    torch.export.save(torch.export.export(network, (torch.zeros(2, 3, 32, 32),)), "t.pt2")
    with pytest.raises(InvalidConfig, match="is a program") as refused:
        load_oracle("export:t.pt2")
    (line,) = [part for part in str(refused.value).split("`") if part.startswith("torch.onnx")]
    import logging
    import warnings

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(line)
    oracle = load_oracle("onnx:teacher.onnx")
    pixels = smooth()
    with torch.no_grad():
        expected = network(oracle.preprocessing(pixels))
    assert torch.allclose(oracle.logits(pixels), expected, atol=1e-4)


def test_names_come_from_a_file_and_must_be_one_for_each_output(tmp_path):
    file = onnx_file(tmp_path / "t.onnx", tiny())
    names = tmp_path / "classes.txt"
    names.write_text("ant\n\n bee \ncat\n")
    assert load_oracle(f"onnx:{file}", classes=names).class_names == NAMES
    with pytest.raises(InvalidConfig, match="as many as the 3 outputs"):
        load_oracle(f"onnx:{file}", classes=("ant", "bee"))
    with pytest.raises(InvalidConfig, match="'ant' is there twice"):
        load_oracle(f"onnx:{file}", classes=("ant", "ant", "bee"))
    with pytest.raises(InvalidConfig, match="file of names"):
        load_oracle(f"onnx:{file}", classes=tmp_path / "none.txt")


def test_what_gives_no_logits_is_refused():
    for broken in (lambda x: x, lambda x: "logits", lambda x: x.mean()):
        with pytest.raises(CorruptArtifact, match="must put out"):
            classifier_of(broken, preprocessing=SMALL)
    divided = classifier_of(lambda x: x.mean((2, 3)) / x.std((2, 3)), preprocessing=SMALL)
    with pytest.raises(CorruptArtifact, match="finite"):
        divided.logits(torch.zeros(1, 3, 36, 36, dtype=torch.uint8))


def test_the_identity_changes_with_weights_preprocessing_and_order_alone():
    oracle = classifier_of(tiny(), preprocessing=SMALL)
    assert oracle.identity == classifier_of(tiny(), preprocessing=SMALL, name="x").identity
    others = [
        classifier_of(tiny(seed=1), preprocessing=SMALL),
        oracle.with_preprocessing(adjusted(SMALL, channels="BGR")),
        oracle.with_outputs([2, 1, 0]),
    ]
    assert len({each.identity for each in (oracle, *others)}) == 4
    turned = oracle.with_outputs([2, 0, 1]).with_outputs([1, 0])
    pixels = smooth()
    assert turned.logits(pixels).equal(oracle.logits(pixels)[:, [0, 2]])
    assert np.allclose(oracle.logits(pixels), oracle.logits(pixels))
