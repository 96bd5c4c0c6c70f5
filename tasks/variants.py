"""Wider, deeper and larger versions of the zoo's tasks, as the settings that make them of ``mini``.

A controller that has seen only nets of 10,000 parameters knows little of nets of a million: these have up
to about a million, and the ``large`` ones more data, too, where it can be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.base import TaskError, short_name
from tasks.errors import near_misses

Settings = Mapping[str, Any]

NAMES = ("wide", "deep", "large")

_VGG: Mapping[str, Settings] = {"wide": {"width": 48}, "deep": {"stages": [2, 2, 2], "width": 16}}
_MANY_IMAGES: Settings = {"examples": [4000, 400, 400]}
_DEEP_VGG: Settings = {"stages": [2, 2, 2], "width": 40, **_MANY_IMAGES}

VARIANTS: Mapping[str, Mapping[str, Settings]] = {
    "arithmetic_gpt": {
        "wide": {"width": 112, "heads": 4},
        "deep": {"width": 48, "layers": 6},
        "large": {"width": 128, "heads": 4, "layers": 4, "rows": 2048, "largest": 100},
    },
    "cub_multitask": {
        "wide": {"width": 32},
        "deep": {"blocks": [2, 2, 2], "width": 12},
        "large": {"blocks": [2, 2], "width": 32, "scenes": {"train": 1024}},
    },
    "cub_unet": {
        "wide": {"width": 28},
        "deep": {"depth": 3},
        "large": {"width": 16, "depth": 3, "scenes": {"train": 768}},
    },
    "digits_centernet": {
        "wide": {"width": 40},
        "deep": {"depth": 3},
        "large": {"width": 32, "depth": 2, "scenes": {"train": 1024}},
    },
    "digits_retinanet": {
        "wide": {"width": 14},
        "deep": {"blocks": (1, 1), "tower": 2},
        "large": {"width": 20, "tower": 2, "scenes": {"train": 1024}},
    },
    "finetune_source": {
        "wide": {"width": 112, "heads": 4, "pretraining": 6},
        "deep": {"width": 48, "layers": 6, "pretraining": 6},
        "large": {"width": 128, "heads": 4, "layers": 4, "rows": 2560, "pretraining": 1},
    },
    "finetune_textures": {
        "wide": {"widths": [64, 128], "pretraining": 6},
        "deep": {"widths": [16, 32, 64, 128], "pretraining": 6},
        "large": {"widths": [64, 128, 256], "examples": [2000, 400, 600], "pretraining": 2},
    },
    "food_densenet": {
        "wide": {"growth": 32, "stem": 64},
        "deep": {"blocks": [4, 4, 4], "growth": 12},
        "large": {"blocks": [4, 4, 4], "growth": 24, "stem": 48, **_MANY_IMAGES},
    },
    "food_inception": {
        "wide": {"width": 0.25},
        "deep": {"modules": [2, 1, 0], "width": 0.125},
        "large": {"modules": [1, 1, 0], "width": 0.25, **_MANY_IMAGES},
    },
    "imdb_lstm": {
        "wide": {"hidden": 128, "embedding": 64},
        "deep": {"hidden": 64, "length": 60},
        "large": {"hidden": 256, "embedding": 64, "vocabulary": 1000, "rows": 4096},
    },
    "letters_vit": {
        "wide": {"width": 112, "heads": 4},
        "deep": {"width": 48, "layers": 6},
        "large": {"width": 128, "heads": 4, "layers": 4, "examples": [3000, 400, 600]},
    },
    "montgomery_unet": {
        "wide": {"width": 28},
        "deep": {"depth": 3},
        "large": {"width": 16, "depth": 3, "scenes": {"train": 896}},
    },
    "movie_ner": {
        "wide": {"hidden": 64},
        "deep": {"hidden": 32, "layers": 6},
        "large": {"hidden": 128, "layers": 4, "rows": 1024},
    },
    "noisy_digits_cnn": {
        "wide": {"widths": [96, 192]},
        "deep": {"widths": [32, 64, 128]},
        "large": {"widths": [64, 128, 256], "examples": [1000, 300, 497]},
    },
    "omniglot_siamese": {
        "wide": {"widths": [48, 96]},
        "deep": {"widths": [16, 32], "code": 256},
        "large": {"widths": [64, 128], "code": 128, "pairs": [3000, 512]},
    },
    "overfit_conv": {
        "wide": {"width": 192},
        "deep": {"width": 64, "layers": 6},
        "large": {"width": 192, "layers": 5, "rows": 768},
    },
    "pendulum_mlp": {
        "wide": {"hidden": 256},
        "deep": {"layers": 8, "hidden": 32},
        "large": {"hidden": 384, "layers": 4, "examples": [8192, 512, 1024]},
    },
    "shakespeare_gru": {
        "wide": {"hidden": 320, "embedding": 32},
        "deep": {"hidden": 128, "length": 60},
        "large": {"hidden": 400, "embedding": 64, "rows": 1200},
    },
    "svhn_adversarial": {**_VGG, "large": _DEEP_VGG},
    "svhn_ecc": {**_VGG, "large": _DEEP_VGG},
    "svhn_vgg": {**_VGG, "large": _DEEP_VGG},
}
"""Settings by task and variant."""


def variants(task: str) -> Mapping[str, Settings]:
    """The settings of a task's versions: ``base`` (the scale's own numbers), and of the zoo :data:`NAMES`.

    What they name is replaced in the numbers of ``mini`` (``registry.get(task, "mini", encoded(settings))``).
    """
    return {"base": {}, **VARIANTS.get(short_name(task), {})}


def settings(task: str, variant: str) -> Settings:
    """The numbers of one version; TaskError names those that the task has."""
    known = variants(task)
    if variant not in known:
        raise TaskError(f"{short_name(task)} has no variant {variant!r}; {near_misses(variant, known)}")
    return known[variant]
