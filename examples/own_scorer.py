"""Search with a scorer of your own, and put it to the test that every scorer must pass.

    python examples/own_scorer.py
    pytest examples/own_scorer.py

A scorer is any object with `predict`; nothing is inherited. This one asks another scorer and
charges a price for FLOPs, so that a search prefers a cheap student that is nearly as good.
"""

import pytest
import torch

import dass
from dass.baselines.size import ByParameters
from dass.networks.resnet import ResNet
from dass.space.spaces import by_name
from dass.testing import ScorerContract


class Thrifty:
    """The scores of another scorer, less a price for all of the teacher's FLOPs."""

    def __init__(self, scorer, *, price):
        self.scorer, self.price = scorer, price

    def predict(self, teacher, architectures, *, support=()):
        scores = self.scorer.predict(teacher, architectures, support=support)
        flops = teacher.network.space.flops(architectures, num_classes=teacher.network.num_classes)
        cost = torch.from_numpy(flops) / teacher.flops
        return dass.Scores(scores.mean - self.price * cost, scores.std)


class TestThrifty(ScorerContract):
    """The contract: order, repeatability, no peeking at test accuracy, and more."""

    @pytest.fixture
    def scorer(self):
        return Thrifty(ByParameters(), price=0.1)

    @pytest.fixture
    def micro_space(self):
        return by_name("micro")

    @pytest.fixture
    def teacher(self, micro_space):
        network = ResNet(micro_space, micro_space.largest, num_classes=3)
        return dass.Teacher(name="untrained", network=network.eval(), accuracy=0.9)


if __name__ == "__main__":
    predictor, _ = dass.zoo.predictor()
    teacher = dass.zoo.teacher(next(n for n in dass.zoo.teachers() if "trashnet" in n))
    for price in (0.0, 0.05, 0.2):
        scorer = Thrifty(predictor, price=price)
        best = dass.search(scorer, teacher, dass.Budget(), candidates=200).top[0]
        fraction = best.flops / teacher.flops
        predicted = best.accuracy + price * fraction
        print(f"price {price:.2f}: {predicted:.1%} predicted at {fraction:.0%} of the FLOPs")
