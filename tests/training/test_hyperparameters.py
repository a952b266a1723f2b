"""Hyperparameters: what somebody has to correct is said with its key before anything is paid for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.detector import hyperparameters as detector
from include.detector.errors import ConfigurationError
from secondlook.failures.exceptions import TrainingDataError
from secondlook.training.hyperparameters import (
    COMPUTED,
    RULES,
    HyperparameterError,
    check_hyperparameters,
    checked_hyperparameters,
    faults_of,
    is_object_detection,
)
from tests.support.manifests import make_line

KEY = "training.hyperparameters"


@pytest.mark.parametrize(
    ("given_values", "sentence"),
    [
        ({"epochs": 10.0}, "epochs = 10.0: the algorithm takes a whole number from 1 to 100000; write 10."),
        ({"epochs": True}, "epochs = True: the algorithm takes a whole number from 1 to 100000."),
        ({"epochs": 0}, "epochs = 0: the algorithm takes a whole number from 1"),
        ({"epochs": -1}, "epochs = -1: the algorithm takes a whole number from 1"),
        ({"epochs": None}, "epochs = None: the algorithm takes a whole number"),
        ({"epochs": [10]}, "epochs = [10]: the algorithm takes a whole number"),
        ({"epoch": 3}, "epoch is no hyperparameter of object-detection: did you mean epochs?"),
        (
            {"Learning-Rate": 1},
            "is no hyperparameter of object-detection: did you mean learning_rate?",
        ),
        (
            {"batch_size": 8},
            "hyperparameter of object-detection: did you mean mini_batch_size?",
        ),
        (
            {"xyz": 1},
            "is no hyperparameter of object-detection: known are base_network, early_stopping, ",
        ),
        ({"label_width": "auto"}, "label_width = 'auto': the algorithm takes a whole number from 7 up."),
        ({"label_width": ""}, "label_width = '': the algorithm takes a whole number from 7 up."),
        (
            {"mini_batch_size": "16.0"},
            "mini_batch_size = '16.0': the algorithm takes a whole number from 1",
        ),
        ({"mini_batch_size": "16.0"}, "; write 16."),
        ({"mini_batch_size": " 16"}, "; write 16."),
        ({"mini_batch_size": "١٦"}, "mini_batch_size = '١٦': the algorithm takes a whole number"),
        ({"learning_rate": float("nan")}, "learning_rate = nan: the algorithm takes a number above 0 and at"),
        ({"learning_rate": float("inf")}, "learning_rate = inf: the algorithm takes a number above 0 and at"),
        ({"learning_rate": 0}, "learning_rate = 0: the algorithm takes a number above 0 and at most 1."),
        ({"learning_rate": "0,001"}, "learning_rate = '0,001': the algorithm takes a number above 0"),
        ({"learning_rate": True}, "learning_rate = True: the algorithm takes a number above 0"),
        ({"momentum": 1.5}, "momentum = 1.5: the algorithm takes a number from 0 to 1."),
        ({"weight_decay": 1}, "weight_decay = 1: the algorithm takes a number from 0 to below 1."),
        ({"optimizer": "SGD"}, "optimizer = 'SGD': the algorithm takes one of sgd, adam, rmsprop, adadelta."),
        (
            {"base_network": "resnet50"},
            "= 'resnet50': the algorithm takes one of vgg-16, resnet-50, slim-ssd.",
        ),
        (
            {"image_shape": 128, "base_network": "resnet-50"},
            "= 128: resnet-50 takes a whole number from 300 up.",
        ),
        ({"early_stopping": "yes"}, "early_stopping = 'yes': the algorithm takes True or False."),
        ({"use_pretrained_model": 2}, "use_pretrained_model = 2: the algorithm takes 1 or 0."),
        ({"lr_scheduler_step": "3;6"}, "lr_scheduler_step = '3;6': the algorithm takes epochs such as"),
        ({"freeze_layer_pattern": "(conv"}, "freeze_layer_pattern = '(conv': the algorithm takes a regular"),
        ({"num_classes": 3}, "num_classes is the number of labels and cannot be set: remove it."),
        ({"num_training_samples": 9}, "num_training_samples is counted and cannot be set: remove it."),
    ],
)
def test_each_mistake_is_one_sentence_that_begins_with_its_key(given_values, sentence):
    faults = faults_of(given_values, key=KEY)
    assert len(faults) == 1
    assert faults[0].startswith(f"{KEY}.{next(iter(given_values))} ")
    assert sentence in faults[0]
    with pytest.raises(HyperparameterError, match=re.escape(sentence)):
        checked_hyperparameters(given_values, key=KEY)


def test_several_mistakes_are_said_at_once():
    assert len(faults_of({"epochs": 1.5, "optimiser": "sgd", "num_classes": 1}, key=KEY)) == 3


def test_what_fits_becomes_the_text_that_sagemaker_takes():
    assert checked_hyperparameters(
        {
            "epochs": 10,
            "mini_batch_size": "16",
            "learning_rate": 1e-05,
            "weight_decay": 0,
            "early_stopping": True,
            "use_pretrained_model": True,
            "lr_scheduler_step": 3,
            "freeze_layer_pattern": "",
        },
        key=KEY,
    ) == {
        "epochs": "10",
        "mini_batch_size": "16",
        "learning_rate": "1e-05",
        "weight_decay": "0",
        "early_stopping": "True",
        "use_pretrained_model": "1",
        "lr_scheduler_step": "3",
        "freeze_layer_pattern": "",
    }
    assert checked_hyperparameters({"early_stopping": "false", "use_pretrained_model": 0}, key=KEY) == {
        "early_stopping": "False",
        "use_pretrained_model": "0",
    }


def test_an_image_of_another_algorithm_has_hyperparameters_of_its_own():
    mine = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/yolo:3"
    assert checked_hyperparameters({"depth": 3, "epochs": 2.5, "fast": True}, key=KEY, image=mine) == {
        "depth": "3",
        "epochs": "2.5",
        "fast": "1",
    }
    # What is computed here has to be a number all the same, and is never set.
    assert len(faults_of({"label_width": "auto", "num_classes": 2, "a": None}, key=KEY, image=mine)) == 3
    for image in (
        None,
        "1.dkr.ecr.us-east-1.amazonaws.com/object-detection:1",
        "r/object-detection@sha256:0",
    ):
        assert is_object_detection(image)
    assert not is_object_detection("r/my-object-detection:1")


texts = st.one_of(
    st.sampled_from(["", "True", "False", "true", "0", "1", "1.0", "-1", "auto", "nan", "inf", "1e-3"]),
    st.sampled_from(["sgd", "adam", "vgg-16", "resnet-50", "slim-ssd", "device", "dist_sync", "3,6", "3, x"]),
    st.integers(-2, 200_000).map(str),
    st.floats(-1, 2).map(str),
    st.sampled_from(["(", "^conv.*", "9999999999", "2147483648", "10001", "4097", "2049"]),
)


@given(st.sampled_from(sorted(RULES)), texts)
def test_the_detector_that_comes_with_the_project_accepts_the_same(name, text):
    others = {
        "num_classes": "1",
        "num_training_samples": "1",
        "base_network": "slim-ssd",
        "image_shape": "300",
    }
    try:
        detector.parse(others | {name: text})
        accepted = True
    except ConfigurationError:
        accepted = False
    assert (RULES[name].text(text) is not None) == accepted


def test_both_tables_know_the_same_names():
    assert set(RULES) == {*detector.DEFAULTS, *detector.REQUIRED}
    assert set(COMPUTED) == set(detector.REQUIRED)


def lines(count, boxes=1):
    return [make_line(f"{number}.jpg", *([0] * boxes)) for number in range(count)]


def test_the_label_width_holds_the_fullest_image_of_either_channel():
    given_values = {"mini_batch_size": "2", "label_width": "20"}
    complete = check_hyperparameters(
        given_values, lines(4, boxes=2), None, 3, validation=[*lines(3), *lines(1, boxes=7)]
    )
    assert complete["label_width"] == "37"
    assert (complete["num_training_samples"], complete["num_classes"]) == ("4", "3")
    complete = check_hyperparameters(
        {"mini_batch_size": "2"}, lines(4, boxes=2), None, 3, validation=lines(2, boxes=1)
    )
    assert complete["label_width"] == "350"


def test_each_channel_holds_a_batch():
    with pytest.raises(
        TrainingDataError, match=r"There are 3 training images .* batch of 4: .* mini_batch_size"
    ):
        check_hyperparameters({"mini_batch_size": "4"}, lines(3), None, 1, validation=lines(9))
    with pytest.raises(TrainingDataError, match=r"There are 31 validation images .* batch of 32: .* mini_ba"):
        check_hyperparameters({}, lines(40), None, 1, validation=lines(31))
    # An algorithm of one's own that does not know mini_batch_size is not asked for 32 images.
    check_hyperparameters({}, lines(3), None, 1, validation=lines(1), image="r/mine:1")


def test_what_a_parent_left_behind_is_checked_as_well():
    with pytest.raises(HyperparameterError, match=r"^hyperparameters\.label_width = 'auto': "):
        check_hyperparameters({"label_width": "auto"}, lines(40), None, 1, validation=lines(40))
    with pytest.raises(HyperparameterError, match=r"^hyperparameters\.image_shape = '128': vgg-16 takes"):
        check_hyperparameters({"image_shape": "128"}, lines(40), None, 1, validation=lines(40))
