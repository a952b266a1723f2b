"""The built-in algorithm's hyperparameters: strings in, one sentence for each mistake."""

from __future__ import annotations

import re

import pytest

from include.detector.errors import ConfigurationError
from include.detector.hyperparameters import DEFAULTS, parse

GIVEN = {"num_classes": "3", "num_training_samples": "120", "base_network": "slim-ssd", "image_shape": "128"}


def test_defaults_are_filled_in_as_strings():
    parsed = parse(GIVEN | {"lr_scheduler_step": "3, 6", "early_stopping": "True"})
    assert (parsed.num_classes, parsed.image_shape, parsed.epochs, parsed.optimizer) == (3, 128, 30, "sgd")
    assert parsed.lr_scheduler_step == (3, 6)
    assert parsed.early_stopping is True
    assert set(parsed.strings) == set(DEFAULTS) | set(GIVEN)
    assert all(isinstance(value, str) for value in parsed.strings.values())
    assert parsed.strings["nms_topk"] == "400"


def test_the_algorithms_own_networks_keep_their_own_defaults():
    parsed = parse({"num_classes": "1", "num_training_samples": "9"})
    assert (parsed.base_network, parsed.image_shape, parsed.learning_rate) == ("vgg-16", 300, 0.001)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"num_class": "3"}, "Unknown hyperparameter 'num_class'; known are base_network, "),
        ({"num_classes": None}, "Hyperparameter num_classes must be a string, not None."),
        ({"num_classes": "0"}, "Hyperparameter num_classes is '0'; expected an integer from 1 to 10000."),
        ({"epochs": "2.5"}, "Hyperparameter epochs is '2.5'; expected an integer from 1"),
        (
            {"learning_rate": "0"},
            "Hyperparameter learning_rate is '0'; expected a number above 0 and at most 1.",
        ),
        ({"learning_rate": "nan"}, "Hyperparameter learning_rate is 'nan'; expected a number"),
        ({"learning_rate": "fast"}, "Hyperparameter learning_rate is 'fast'; expected a number"),
        (
            {"optimizer": "lion"},
            "Hyperparameter optimizer is 'lion'; expected one of sgd, adam, rmsprop, adadelta.",
        ),
        (
            {"base_network": "yolo"},
            "Hyperparameter base_network is 'yolo'; expected one of vgg-16, resnet-50, slim-ssd.",
        ),
        (
            {"base_network": "resnet-50"},
            "Hyperparameter image_shape is '128'; expected an integer from 300 to 2048 for resnet-50.",
        ),
        (
            {"image_shape": "32"},
            "Hyperparameter image_shape is '32'; expected an integer from 64 to 2048 for slim-ssd.",
        ),
        ({"lr_scheduler_step": "3;6"}, "Hyperparameter lr_scheduler_step is '3;6'; expected epochs such as"),
        (
            {"freeze_layer_pattern": "(conv"},
            "Hyperparameter freeze_layer_pattern is '(conv'; expected a regular expression",
        ),
        ({"early_stopping": "maybe"}, "Hyperparameter early_stopping is 'maybe'; expected True or False."),
        ({"use_pretrained_model": "2"}, "Hyperparameter use_pretrained_model is '2'; expected 1 or 0."),
        (
            {"kv_store": "cloud"},
            "Hyperparameter kv_store is 'cloud'; expected one of device, dist_sync, dist_async.",
        ),
        ({"label_width": "6"}, "Hyperparameter label_width is '6'; expected an integer from 7 upwards."),
        ({"weight_decay": "1"}, "Hyperparameter weight_decay is '1'; expected a number from 0 to below 1."),
    ],
)
def test_each_mistake_is_one_sentence(change, sentence):
    with pytest.raises(ConfigurationError, match="^" + re.escape(sentence)) as caught:
        parse(GIVEN | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["num_classes", "num_training_samples"])
def test_required_ones_are_required(name):
    with pytest.raises(ConfigurationError, match=f"^Hyperparameter {name} is required.$"):
        parse({key: value for key, value in GIVEN.items() if key != name})
