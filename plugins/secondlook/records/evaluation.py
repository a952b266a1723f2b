"""Measuring models on the holdout, if that is fair: what goes in, what came out, and the comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondlook.failures.exceptions import SecondLookError
from secondlook.records.content import replaced
from secondlook.records.holdout import collect, stored_predictions, transform_manifest
from secondlook.records.models import record_verdict
from secondlook.records.training_data import TrainingDataReader, trained_images
from secondlook.scoring.transform_spec import TransformSpec
from secondlook.training import ScoredModel, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secondlook.detection import Prediction
    from secondlook.hooks.s3 import ObjectStore
    from secondlook.layout import Layout
    from secondlook.settings import EvaluationSettings
    from secondlook.training import PromotionRule


class NoHoldoutError(SecondLookError):
    """There is no holdout to compare models on."""


class HoldoutChangedError(SecondLookError):
    """An image of the holdout is no longer the one that was frozen."""


class HoldoutLeakError(SecondLookError):
    """A model was trained on an image that it would be tested with."""


class Evaluation:
    """One version of the holdout and ``evaluations/<version>/``, what models answered about it.

    Parameters
    ----------
    store
        The deployment's bucket.
    layout
        Where things lie in it.
    version
        Which holdout.
    labels
        Label names of the models.
    log
        The task's log.

    Raises
    ------
    NoHoldoutError
        There is no such holdout.
    """

    def __init__(
        self, store: ObjectStore, layout: Layout, version: str, labels: tuple[str, ...], log: Any
    ) -> None:
        self._store = store
        self._layout = layout
        self._version = version
        self._labels = labels
        self._log = log
        self.lines, _, self.content = TrainingDataReader(store, layout, labels, log).holdout(version)
        if not self.lines:
            manifest, uploads = layout.holdout_manifest(version), layout.holdout_slice(version, "<slice>")
            raise NoHoldoutError(
                f"There is no holdout at {layout.uri(manifest)}: upload labelled images that no model is "
                f"trained on to {layout.uri(uploads)} and run bootstrap_detector."
            )

    def refuse_unfair(self, models: Iterable[str]) -> None:
        """Refuse a holdout that cannot decide between these models.

        Raises
        ------
        HoldoutChangedError
            Images were replaced since it was frozen.
        HoldoutLeakError
            One of the models, or an ancestor, was trained or validated on one of its images.
        """
        found = replaced(self._store, self.lines)
        if found:
            raise HoldoutChangedError(
                f"{len(found)} images of the holdout {self._version} were replaced since it was frozen (for "
                f"example {found[0]}), so neither their boxes nor what is known of them hold: restore their "
                "earlier versions, or make a new holdout version."
            )
        for model in models:
            seen = trained_images(self._store, self._layout, model)
            leaked = [line.image for line in self.lines if line in seen]
            if leaked:
                raise HoldoutLeakError(
                    f"{model} was trained on {len(leaked)} images of the holdout {self._version} (for "
                    f"example {leaked[0]}), so a comparison would prove nothing: make a new holdout version "
                    "without them."
                )

    def without_answers(self, models: Sequence[str]) -> list[str]:
        """Return the models that have not answered about exactly this holdout."""
        missing = [model for model in models if self._stored(model) is None]
        for model in models:
            if model not in missing:
                self._log.info("Model %s has answered for this holdout before.", model)
        return missing

    def write_input(self, model: str) -> str:
        """Write the manifest of a model's batch transform, and return its key."""
        key = self._layout.evaluation_input(self._version, model)
        self._store.write(key, transform_manifest(self.lines))
        return key

    def collect(self, model: str) -> None:
        """Gather the outputs of a model's batch transform. Raises like :func:`holdout.collect`."""
        collect(self._store, self._layout, self._version, model, self.lines, self.content)

    def compare(self, models: Sequence[str], rule: PromotionRule) -> dict[str, Any]:
        """Compare challenger, champion and, if there is one, control.

        The comparison is written, and its verdict into the challenger's card.

        Returns
        -------
        dict
            ``{"challenger", "champion", "promote", "reason", "comparison"}``, the last being its address.
        """
        challenger, champion, *control = (ScoredModel(model, self._stored(model) or ()) for model in models)
        comparison = compare(
            holdout_uri=self._layout.uri(self._layout.holdout_manifest(self._version)),
            holdout=self.lines,
            labels=self._labels,
            challenger=challenger,
            champion=champion,
            control=control[0] if control else None,
            rule=rule,
        )
        key = self._layout.comparison(self._version, comparison.challenger)
        self._store.write(key, comparison.to_json())
        uri = self._layout.uri(key)
        record_verdict(self._store, self._layout, comparison.challenger, comparison.verdict(uri))
        self._log.info("Promote: %s. %s", comparison.promote, comparison.reason)
        result = {name: getattr(comparison, name) for name in ("challenger", "champion", "promote", "reason")}
        return {**result, "comparison": uri}

    def _stored(self, model: str) -> list[Prediction] | None:
        return stored_predictions(self._store, self._layout, self._version, model, self.content)


def transform_spec(
    layout: Layout, version: str, model: str, model_resource: str, settings: EvaluationSettings
) -> TransformSpec:
    """Return what the batch transform of a holdout by a model is to do."""
    return TransformSpec(
        model_resource=model_resource,
        manifest_uri=layout.uri(layout.evaluation_input(version, model)),
        output_uri=layout.uri(layout.evaluation(version, model)),
        instance_type=settings.instance_type,
        max_concurrent=settings.max_concurrent_transforms,
    )
