"""Small classifiers of every kind, randomly initialised, as files that a user would have."""

import torch
from safetensors.torch import save_file
from torch import nn

NAMES = ("ant", "bee", "cat")


def tiny(classes=3, *, seed=0):
    """A convolutional classifier of pictures of any size, with batch norm and dropout."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(32, classes),
    ).eval()


def torchvision_weights(path, name="shufflenet_v2_x0_5", classes=3, *, prefix=""):
    """Write the weights of a fresh network of torchvision; return the network."""
    from torchvision import models

    torch.manual_seed(1)
    network = models.get_model_builder(name)(num_classes=classes).eval()
    save_file({prefix + key: each for key, each in network.state_dict().items()}, path)
    return network


def onnx_file(path, network, *, size=32, batch=None, names=("images", "logits")):
    """Export a network as people do, its batch fixed or free."""
    import logging
    import warnings

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    shapes = None if batch else ({0: torch.export.Dim("n")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.zeros(batch or 2, 3, size, size),),
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    path.write_bytes(program.model_proto.SerializeToString())
    return path


def huggingface_folder(path, *, names=NAMES, normalise=True):
    """Save a tiny vision transformer with its processor, as `save_pretrained` lays them."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(2)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        id2label=dict(enumerate(names)),
        label2id={name: place for place, name in enumerate(names)},
    )
    network = ViTForImageClassification(config).eval()
    network.save_pretrained(path)
    ViTImageProcessor(size={"height": 32, "width": 32}, do_normalize=normalise).save_pretrained(
        path
    )
    return network
