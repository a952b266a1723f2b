"""What a training learns from: answers and a parent become a recipe, and a recipe a job's name and a card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from secondlook import jsonl, names
from secondlook.json_document import JsonDocument
from secondlook.training.card import LearnedManifest, ModelCard, TrainingData
from secondlook.training.hyperparameters import check_hyperparameters
from secondlook.training.manifest import what_is_learned, write_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from secondlook.training.card import CreatedBy
    from secondlook.training.manifest import ManifestLine
    from secondlook.training.material import Drawn, Lines

CHANNELS = ("train", "validation")


class StoredRecipe(JsonDocument):
    """What a job is to do, and the card that its model will get; written before the job starts."""

    request: dict[str, Any]
    card: ModelCard


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """A training before it has a name.

    Attributes
    ----------
    prefix
        What the job's name begins with.
    created_by
        Who makes the model, for its card.
    image
        Address of the training image.
    labels
        Label names, index = class id.
    hyperparameters
        Of the algorithm, complete.
    data
        What is learned, for the card; the addresses of its manifests follow from the job's name.
    manifests
        The same images by channel, ``train`` and ``validation``, as augmented manifests.
    identity
        Hashes of what is learned, whatever address and version it has.
    parent
        Card of the model that the training starts from; None trains from scratch.
    """

    prefix: str
    created_by: CreatedBy
    image: str
    labels: tuple[str, ...]
    hyperparameters: dict[str, str]
    data: TrainingData
    manifests: Mapping[str, bytes]
    identity: tuple[object, ...]
    parent: ModelCard | None = None

    def base_name(self, *place: str) -> str:
        """Return the job's name: a hash of everything that it reads, and of where and as whom it runs."""
        start = (self.parent.artifact,) if self.parent else ()
        settings = jsonl.canonical(self.hyperparameters)
        return names.training_job_name(self.prefix, *start, self.image, settings, *self.identity, *place)

    def card(self, name: str, manifest_uri: Callable[[str], str]) -> ModelCard:
        """Return the card of the model of a job, without artifact and metrics.

        ``manifest_uri`` gives the address of a channel's manifest.
        """
        train, validation = map(manifest_uri, CHANNELS)
        return ModelCard(
            model=name,
            artifact="",
            image=self.image,
            parent=self.parent.model if self.parent else None,
            created_by=self.created_by,
            hyperparameters=self.hyperparameters,
            data=replace(self.data, train_manifest=train, validation_manifest=validation),
            labels=self.labels,
        )


def challenger_recipes(
    parent: ModelCard, drawn: Drawn, manifests: tuple[LearnedManifest, ...], given: Mapping[str, str]
) -> list[TrainingRecipe]:
    """Return the challenger's recipe and, with a control arm, the control's.

    Parameters
    ----------
    parent
        Card of the champion.
    drawn
        The images to learn from.
    manifests
        The manifests of answers that the challenger learns; the control learns none.
    given
        Hyperparameters that are laid over the parent's.

    Raises
    ------
    TrainingDataError
        The job would fail late.
    """
    learned = parent.data.learned_manifests
    answers = TrainingData(
        len(drawn.challenger),
        drawn.new,
        len(drawn.challenger) - drawn.new,
        manifests,
        tuple(dict.fromkeys((*learned, *(manifest.uri for manifest in manifests)))),
    )
    recipes = [
        _from_parent(names.PREFIX, "nightly", parent, drawn.challenger, drawn.validation, answers, given)
    ]
    if drawn.control is not None:
        old = TrainingData(len(drawn.control), 0, len(drawn.control), (), learned)
        recipes.append(
            _from_parent(names.CONTROL_PREFIX, "control", parent, drawn.control, drawn.validation, old, given)
        )
    return recipes


def _from_parent(
    prefix: str,
    created_by: CreatedBy,
    parent: ModelCard,
    train: Lines,
    validation: Lines,
    data: TrainingData,
    given: Mapping[str, str],
) -> TrainingRecipe:
    inherited = {**parent.hyperparameters, "use_pretrained_model": "0"}
    hyperparameters = check_hyperparameters(
        {**inherited, **given}, train, parent, len(parent.labels), validation=validation, image=parent.image
    )
    return TrainingRecipe(
        prefix=prefix,
        created_by=created_by,
        image=parent.image,
        labels=parent.labels,
        hyperparameters=hyperparameters,
        data=data,
        manifests={"train": write_manifest(train), "validation": write_manifest(validation)},
        identity=(what_is_learned(train), what_is_learned(validation)),
        parent=parent,
    )


def first_recipe(
    image: str,
    labels: tuple[str, ...],
    lines: tuple[Sequence[ManifestLine], Sequence[ManifestLine]],
    manifests: Mapping[str, bytes],
    identity: tuple[object, ...],
    given: Mapping[str, str],
) -> TrainingRecipe:
    """Return the recipe of the first model, which trains from scratch.

    Parameters
    ----------
    image
        Address of the training image.
    labels
        Label names, index = class id.
    lines
        The images to train and to validate with.
    manifests
        The manifests of the same images by channel, as they are stored.
    identity
        SHA-256 of both packed files.
    given
        Hyperparameters.

    Raises
    ------
    TrainingDataError
        The job would fail late.
    """
    train, validation = lines
    hyperparameters = check_hyperparameters(
        given, train, None, len(labels), validation=validation, image=image
    )
    data = TrainingData(train_images=len(train), new_images=0, replayed_images=0)
    return TrainingRecipe(
        names.PREFIX, "bootstrap", image, labels, hyperparameters, data, manifests, identity
    )
