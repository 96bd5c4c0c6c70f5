import pytest
import torch
from torch import nn

from tasks import registry
from tasks.nets.multitask import ResUNet
from tasks.nets.resnet import ResNet
from tasks.nets.retinanet import RetinaNet
from tasks.nets.siamese import Siamese
from tasks.nets.unet import UNet


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_unet_has_the_published_size() -> None:
    # milesial/Pytorch-UNet without bilinear upsampling: 3 channels and 2 classes.
    with torch.device("meta"):
        assert parameters(UNet(channels=3, classes=2)) == 31_037_698
        assert parameters(registry.get("cub_unet", "paper").build()) == 31_037_698
        assert parameters(registry.get("montgomery_unet", "paper").build()) == 31_037_698 - 2 * 9 * 64


def test_siamese_has_the_published_size() -> None:
    # Koch et al., 2015, Figure 4.
    with torch.device("meta"):
        assert parameters(registry.get("omniglot_siamese", "paper").build()) == 38_951_745


def test_resnet_50_has_the_published_size() -> None:
    # 25,557,032 with a head of 1,000 classes.
    with torch.device("meta"):
        assert parameters(ResNet()) == 25_557_032 - (2048 + 1) * 1000
        model = registry.get("cub_multitask", "paper").build()
    assert isinstance(model, ResUNet)
    assert parameters(model.encoder) == 23_508_032
    assert parameters(model.classifier) == 2049 * 200
    assert model.log_variances.shape == (2,)


def test_retinanet_has_the_published_size() -> None:
    # torchvision's retinanet_resnet50_fpn has 34,014,999 parameters with 91 classes and a frozen
    # normalisation, whose 53,120 scales and shifts are trained here.
    with torch.device("meta"):
        assert parameters(RetinaNet(classes=91)) == 34_014_999 + 53_120
        paper = registry.get("coco_retinanet", "paper").build()
    assert parameters(paper) == 34_014_999 + 53_120 - 11 * 9 * (256 * 9 + 1)


@pytest.mark.parametrize("size", [16, 21])
def test_unet_keeps_the_size(size: int) -> None:
    logits = UNet(channels=1, classes=3, width=4, depth=2)(torch.randn(2, 1, size, size))
    assert logits.shape == (2, 3, size, size)


def test_siamese_is_symmetric() -> None:
    model = Siamese(size=20, widths=(4, 8), kernels=(5, 4), code=8)
    a, b = torch.randn(2, 3, 1, 20, 20)
    assert torch.allclose(model(a, b), model(b, a))


def test_multitask_outputs_and_weights() -> None:
    model = ResUNet(labels=5, classes=2, blocks=(1, 1, 1, 1), width=4, stem=7)
    scores, logits = model(torch.randn(2, 3, 64, 64))
    assert scores.shape == (2, 5)
    assert logits.shape == (2, 2, 64, 64)
    with torch.no_grad():
        model.log_variances.copy_(torch.tensor([0.0, 2.0]))
    loss = model.weighted(torch.tensor([3.0, 4.0]))
    assert loss.item() == pytest.approx(3 + 4 * 0.1353353 + 1)
    loss.backward()
    assert model.log_variances.grad is not None


def test_retinanet_finds_every_anchor() -> None:
    model = RetinaNet(classes=4, blocks=(1, 1, 1, 1), width=4, tower=1)
    logits, offsets, anchors = model(torch.randn(1, 3, 64, 64))
    cells = 8**2 + 4**2 + 2**2 + 1 + 1
    assert logits.shape == (1, 9 * cells, 4)
    assert offsets.shape == (1, 9 * cells, 4)
    assert anchors.shape == (9 * cells, 4)
    assert anchors[3].tolist() == pytest.approx([-12, -12, 20, 20])  # 32 x 32 around (4, 4)
    assert logits.sigmoid().mean().item() == pytest.approx(0.01, abs=0.002)


@pytest.mark.parametrize(
    "name", ["cub_unet", "montgomery_unet", "cub_multitask", "omniglot_siamese", "coco_retinanet"]
)
def test_paper_scale_goes_forward_and_backward(name: str) -> None:
    task = registry.get(name, "paper")
    size = 64 if name != "omniglot_siamese" else 105
    channels = 1 if name in ("montgomery_unet", "omniglot_siamese") else 3
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(256, (2, channels, size, size), generator=generator).to(torch.uint8)
    batch = {
        "image": image,
        "left": image,
        "right": image.flip(0),
        "same": torch.tensor([0.0, 1.0]),
        "mask": torch.randint(2, (2, size, size), generator=generator).to(torch.uint8),
        "label": torch.tensor([0, 199]),
        "boxes": torch.tensor([[[4.0, 4, 40, 50]], [[0, 0, 0, 0]]]),
        "labels": torch.tensor([[79], [-1]]),
    }
    model = task.build()
    loss, _ = task.forward(model, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.shape == ()
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None and bool(g.isfinite().all()) for g in gradients)
