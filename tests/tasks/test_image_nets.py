"""Architectures of the image classification tasks: published parameter counts, shapes, codes."""

import pytest
import torch
from torch import nn

from tasks import registry
from tasks.nets.codes import CodedOutput, hadamard
from tasks.nets.convnext import ConvNeXt
from tasks.nets.densenet import DenseNet
from tasks.nets.inception import InceptionV3
from tasks.nets.resnet9 import ResNet9
from tasks.nets.vgg import VGG
from tasks.nets.wide_resnet import WideResNet


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def paper(name: str) -> nn.Module:
    with torch.device("meta"):
        return registry.get(name, "paper").build()


# torchvision's tables of published weights, for 1,000 classes; its VGGs end in three dense layers.
VGG_HEAD = (512 * 7 * 7 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 1000
HEAD_OF_10 = (512 + 1) * 10


@pytest.mark.parametrize(
    ("stages", "published"), [((2, 2, 4, 4, 4), 143_678_248), ((2, 2, 3, 3, 3), 138_365_992)]
)
def test_vgg_has_the_published_convolutions(stages, published):
    with torch.device("meta"):
        assert count(VGG(stages=stages, width=64, outputs=10)) == published - VGG_HEAD + HEAD_OF_10


def test_vgg_tasks_at_paper_scale():
    assert count(paper("svhn_vgg")) == count(paper("svhn_adversarial")) == 20_040_522
    assert count(paper("svhn_ecc")) == 138_365_992 - VGG_HEAD + (512 + 1) * 16


def test_densenet121():
    with torch.device("meta"):
        net = DenseNet(blocks=(6, 12, 24, 16), growth=32, stem=64, small=False, outputs=1000)
    assert count(net) == 7_978_856
    assert count(paper("food_densenet")) == 7_978_856 - (1024 + 1) * (1000 - 101)


def test_inception_v3():
    with torch.device("meta"):
        net = InceptionV3(modules=(3, 4, 2), width=1.0, small=False, outputs=1000, dropout=0.5)
    assert count(net) == 27_161_264
    assert count(paper("food_inception")) == 27_161_264 - (2048 + 1 + 768 + 1) * (1000 - 101)


def test_convnext_tiny():
    widths, depths = (96, 192, 384, 768), (3, 3, 9, 3)
    with torch.device("meta"):
        net = ConvNeXt(widths=widths, depths=depths, patch=4, kernel=7, outputs=1000)
    layer_scales = sum(width * depth for width, depth in zip(widths, depths, strict=True))
    assert count(net) == 28_589_128 - layer_scales


def test_convnext_keeps_images_apart():
    torch.manual_seed(0)
    net = ConvNeXt(widths=(8, 16), depths=(1, 1), patch=2, kernel=3, outputs=5).eval()
    images = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(net(images)[1], net(images[1:2])[0], atol=1e-6)


def test_wide_resnets():
    with torch.device("meta"):
        assert count(WideResNet(depth=28, widen=10, base=16, outputs=10)) == 36_479_194
    assert count(paper("svhn_wrn")) == 1_467_610


def test_resnet9():
    assert count(paper("cifar10_resnet9")) == 6_573_120
    assert count(ResNet9(width=8, outputs=10)) < 150_000


SIDES = {
    "svhn_vgg": 32,
    "svhn_ecc": 32,
    "svhn_adversarial": 32,
    "svhn_wrn": 32,
    "cifar10_resnet9": 32,
    "food_densenet": 256,
    "food_inception": 320,
}


@pytest.mark.parametrize("name", SIDES)
def test_paper_scale_runs_forward_and_backward(name):
    task, generator = registry.get(name, "paper"), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = task.build()
    shape = (2, 3, SIDES[name], SIDES[name])
    images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    batch = task.augment({"image": images, "label": torch.tensor([0, 7])}, generator)
    loss, predictions = task.forward(model, batch)
    loss.backward()
    assert loss.shape == () and loss.isfinite()
    assert predictions.shape == (2, task.classes)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("base", [2, 3, 4])
def test_narrow_wide_resnets_train_with_channels_last(base):
    net = WideResNet(depth=10, widen=2, base=base, outputs=3)
    images = torch.randn(50, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    for _ in range(3):
        net(images).square().mean().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("depth", [4, 27])
def test_impossible_depths_are_refused(depth):
    with pytest.raises(ValueError, match=f"got depth={depth}"):
        WideResNet(depth=depth, widen=1, base=4, outputs=2)


# -- codes and adversaries -------------------------------------------------------------------------


def test_any_two_code_words_differ_in_half_of_their_bits():
    codes = hadamard(16)
    assert torch.equal(codes @ codes.T, 16 * torch.eye(16))


def test_bad_code_sizes_are_refused():
    with pytest.raises(ValueError, match="got size=12"):
        hadamard(12)
    with pytest.raises(ValueError, match="got bits=8"):
        CodedOutput(nn.Identity(), classes=10, bits=8)


def test_the_class_of_a_perfect_code_word_is_found_at_no_loss():
    task = registry.get("svhn_ecc")
    model = CodedOutput(nn.Identity(), classes=10, bits=16)
    words = 100 * model.codes
    # An identity that answers with the code word in place of a network.
    model.network = nn.Module()
    model.network.forward = lambda images: words
    batch = {"image": torch.zeros(10, 3, 12, 12, dtype=torch.uint8), "label": torch.arange(10)}
    loss, scores = task.forward(model, batch)
    assert loss.item() == 0
    assert task.metric(scores, batch) == 1


def adversarial_batch():
    task = registry.get("svhn_adversarial")
    torch.manual_seed(0)
    images = torch.randint(256, (16, 3, 12, 12), dtype=torch.uint8)
    return task, task.build().eval(), {"image": images, "label": torch.arange(16) % 10}


def test_the_change_of_the_images_misleads():
    task, model, batch = adversarial_batch()
    with torch.no_grad():
        loss, _ = task.forward(model, batch)
        clean = nn.functional.cross_entropy(model(batch["image"].float() / 127.5 - 1), batch["label"])
    assert loss > clean + 1e-4


def test_the_images_gradient_leaves_the_parameters_gradients_alone():
    task, model, batch = adversarial_batch()
    with torch.no_grad():
        loss, scores = task.forward(model, batch)
    assert not loss.requires_grad and not scores.requires_grad
    assert all(p.grad is None for p in model.parameters())
