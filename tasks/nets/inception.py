"""Inception-v3 with its auxiliary head."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from tasks.nets.concat import Concat

Kernel = int | tuple[int, int]
Width = Callable[[int], int]


class InceptionV3(nn.Module):
    """Groups of parallel branches at three map sizes; an auxiliary head stands behind the second.

    The modules are the paper's figures 5, 6 and 7 (named A, C and E after torchvision) with the
    grid reductions B and D between them.

    Args:
        modules: number of modules A, C and E; (3, 4, 2) is Inception-v3.
        width: multiplies every number of channels; 1.0 is Inception-v3.
        small: a stem of one 3 x 3 convolution of stride 2, for images under 75 pixels, and an auxiliary
            head that takes any map.
        outputs: size of both heads.
        dropout: share of the features dropped in front of the main head.

    Shapes: (n, 3, height, width) float -> main and auxiliary scores (n, outputs); sides of 299 in
    the source, at least 75 unless ``small``. The auxiliary scores are for training only, but
    computed in evaluation too, so that the validation loss is the training's.

    Source: Szegedy et al., 2016, table 1.
    """

    def __init__(
        self, *, modules: tuple[int, int, int], width: float, small: bool, outputs: int, dropout: float
    ) -> None:
        super().__init__()

        def wide(channels: int) -> int:
            return max(1, round(channels * width))

        a, c, e = modules
        self.stem = _unit(3, wide(192), 3, stride=2, padding=1) if small else _stem(wide)
        channels = wide(192)
        first: list[nn.Module] = []
        for i in range(a):
            first.append(_a(channels, wide, pooled=wide(32 if i == 0 else 64)))
            channels = 2 * wide(64) + wide(96) + wide(32 if i == 0 else 64)
        first.append(_b(channels, wide))
        channels += wide(384) + wide(96)
        for i in range(c):
            # Channels of the 7 x 7 branches: 128 at first, 192 in the last module, 160 between them.
            middle = 192 if i == c - 1 else 128 if i == 0 else 160
            first.append(_c(channels, wide, wide(middle)))
            channels = 4 * wide(192)
        self.first = nn.Sequential(*first)
        self.auxiliary = _auxiliary(channels, wide, outputs, small=small)
        second: list[nn.Module] = []
        if e:
            second.append(_d(channels, wide))
            channels += wide(320) + wide(192)
        for _ in range(e):
            second.append(_e(channels, wide))
            channels = wide(320) + 4 * wide(384) + wide(192)
        self.second = nn.Sequential(*second)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, outputs)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Main and auxiliary scores."""
        maps = self.first(self.stem(images))
        scores = self.head(self.dropout(self.second(maps).mean(dim=(2, 3))))
        return scores, self.auxiliary(maps)


class _Parallel(nn.Module):
    """Concatenates the channels of its branches' maps."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = Concat()

    def forward(self, maps: Tensor) -> Tensor:
        joined: Tensor = self.join(*(branch(maps) for branch in self.branches))
        return joined


def _unit(
    channels: int, wider: int, kernel: Kernel, *, stride: int = 1, padding: Kernel = 0
) -> nn.Sequential:
    convolution = nn.Conv2d(channels, wider, kernel, stride=stride, padding=padding, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(wider, eps=1e-3), nn.ReLU(inplace=True))


def _chain(channels: int, *units: tuple[int, Kernel]) -> nn.Sequential:
    """Units of (channels, kernel) that keep the maps' size."""
    chain = nn.Sequential()
    for wider, kernel in units:
        padding = kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)
        chain.append(_unit(channels, wider, kernel, padding=padding))
        channels = wider
    return chain


def _pooled(channels: int, wider: int) -> nn.Sequential:
    return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), _unit(channels, wider, 1))


def _stem(wide: Width) -> nn.Sequential:
    return nn.Sequential(
        _unit(3, wide(32), 3, stride=2),
        _unit(wide(32), wide(32), 3),
        _unit(wide(32), wide(64), 3, padding=1),
        nn.MaxPool2d(3, stride=2),
        _unit(wide(64), wide(80), 1),
        _unit(wide(80), wide(192), 3),
        nn.MaxPool2d(3, stride=2),
    )


def _a(channels: int, wide: Width, *, pooled: int) -> _Parallel:
    return _Parallel(
        _chain(channels, (wide(64), 1)),
        _chain(channels, (wide(48), 1), (wide(64), 5)),
        _chain(channels, (wide(64), 1), (wide(96), 3), (wide(96), 3)),
        _pooled(channels, pooled),
    )


def _b(channels: int, wide: Width) -> _Parallel:
    return _Parallel(
        _unit(channels, wide(384), 3, stride=2),
        _chain(channels, (wide(64), 1), (wide(96), 3)).append(_unit(wide(96), wide(96), 3, stride=2)),
        nn.MaxPool2d(3, stride=2),
    )


def _c(channels: int, wide: Width, middle: int) -> _Parallel:
    row, column = (1, 7), (7, 1)
    last = wide(192)
    return _Parallel(
        _chain(channels, (last, 1)),
        _chain(channels, (middle, 1), (middle, row), (last, column)),
        _chain(channels, (middle, 1), (middle, column), (middle, row), (middle, column), (last, row)),
        _pooled(channels, last),
    )


def _d(channels: int, wide: Width) -> _Parallel:
    narrow = wide(192)
    return _Parallel(
        _chain(channels, (narrow, 1)).append(_unit(narrow, wide(320), 3, stride=2)),
        _chain(channels, (narrow, 1), (narrow, (1, 7)), (narrow, (7, 1))).append(
            _unit(narrow, narrow, 3, stride=2)
        ),
        nn.MaxPool2d(3, stride=2),
    )


def _e(channels: int, wide: Width) -> _Parallel:
    part = wide(384)
    return _Parallel(
        _chain(channels, (wide(320), 1)),
        _chain(channels, (part, 1)).append(_split(part)),
        _chain(channels, (wide(448), 1), (part, 3)).append(_split(part)),
        _pooled(channels, wide(192)),
    )


def _split(channels: int) -> _Parallel:
    return _Parallel(_chain(channels, (channels, (1, 3))), _chain(channels, (channels, (3, 1))))


def _auxiliary(channels: int, wide: Width, outputs: int, *, small: bool) -> nn.Sequential:
    reduction = nn.Identity() if small else nn.AvgPool2d(5, stride=3)
    return nn.Sequential(
        reduction,
        _unit(channels, wide(128), 1),
        _unit(wide(128), wide(768), 1 if small else 5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(wide(768), outputs),
    )
