"""Training data, model cards and the promotion rule: pure functions on manifest lines and predictions."""

from __future__ import annotations

from secondlook.training.card import (
    Approval,
    Champion,
    LearnedManifest,
    ModelCard,
    TrainingData,
    is_rejected_by_a_person,
)
from secondlook.training.challenger import OpenChallenger, Standing
from secondlook.training.comparison import Comparison, ScoredModel, compare
from secondlook.training.identity import (
    NO_IMAGES,
    ImageIdentities,
    NamedImage,
    latest,
    named_images,
)
from secondlook.training.manifest import (
    ATTRIBUTE_NAMES,
    LABEL_ATTRIBUTE,
    Annotation,
    ManifestLine,
    what_is_learned,
    write_manifest,
)
from secondlook.training.manifest_reader import ManifestRead, read_line, read_manifest, too_many
from secondlook.training.replay import ReplayMix, control_mix, mix_replay, split_validation
from secondlook.training.rule import PromotionRule, SliceEvidence
from secondlook.training.servable import ServableModel

__all__ = [
    "ATTRIBUTE_NAMES",
    "LABEL_ATTRIBUTE",
    "NO_IMAGES",
    "Annotation",
    "Approval",
    "Champion",
    "Comparison",
    "ImageIdentities",
    "LearnedManifest",
    "ManifestLine",
    "ManifestRead",
    "ModelCard",
    "NamedImage",
    "OpenChallenger",
    "PromotionRule",
    "ReplayMix",
    "ScoredModel",
    "ServableModel",
    "SliceEvidence",
    "Standing",
    "TrainingData",
    "compare",
    "control_mix",
    "is_rejected_by_a_person",
    "latest",
    "mix_replay",
    "named_images",
    "read_line",
    "read_manifest",
    "split_validation",
    "too_many",
    "what_is_learned",
    "write_manifest",
]
