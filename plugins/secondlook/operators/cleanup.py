"""Delete what this project created in SageMaker and no longer needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from secondlook.names import PREFIX
from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from secondlook.hooks.sagemaker import SageMaker, TaggedResource


class CleanupOperator(SecondLookOperator):
    """Delete old SageMaker models and endpoint configs of this deployment, found by their names and tags.

    Kept are: what any endpoint answers with or moves to, the models of champion and parent with their
    endpoint configs (the way back), and whatever is younger than ``min_age_hours`` (a deployment may be
    under way). Artifacts, cards and predictions in S3 are never touched; a deleted model is created again
    when needed.

    Returns ``{"deleted", "models", "endpoint_configs"}``: how many were, or would be, deleted.

    :param only_report: only say what would be deleted (templated).
    :param min_age_hours: younger resources stay (templated).
    """

    template_fields = (*SecondLookOperator.template_fields, "only_report", "min_age_hours")
    ui_color = "#e0e0e0"

    def __init__(
        self, *, only_report: bool | str = True, min_age_hours: float | str = 24, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.only_report = only_report
        self.min_age_hours = min_age_hours
        self.check_number("min_age_hours", min_age_hours, minimum=0)

    def execute(self, context: Context) -> dict[str, Any]:
        """Find, log, delete."""
        sagemaker = self.sagemaker
        precious = self._artifacts_to_keep()
        models = {item.name: item for item in sagemaker.resources("model", PREFIX)}
        kept_models = {name for name in models if sagemaker.artifact_of_model(name) in precious}
        in_use = sagemaker.endpoint_configs_in_use()
        old_configs = []
        for config in sagemaker.resources("endpoint_config", PREFIX):
            holds = sagemaker.models_of_config(config.name)
            if config.name in in_use or holds & kept_models or self._young(config):
                kept_models |= holds
            else:
                old_configs.append(config.name)
        old_models = [
            name for name, item in models.items() if name not in kept_models and not self._young(item)
        ]
        # Configs first: a config without its model could not be deployed any more.
        self._delete(sagemaker, "endpoint_config", old_configs)
        self._delete(sagemaker, "model", old_models)
        return {
            "deleted": not self.only_report,
            "models": len(old_models),
            "endpoint_configs": len(old_configs),
        }

    def _artifacts_to_keep(self) -> set[str]:
        from secondlook.records.models import NoChampionError, read_card, read_champion

        try:
            champion = read_champion(self.store, self.layout.champion())
        except NoChampionError:
            return set()
        keep = {champion.artifact}
        if champion.parent is not None:
            keep.add(read_card(self.store, self.layout, champion.parent).artifact)
        return keep

    def _young(self, resource: TaggedResource) -> bool:
        return datetime.now(UTC) - resource.created < timedelta(hours=float(self.min_age_hours))

    def _delete(self, sagemaker: SageMaker, kind: str, names: list[str]) -> None:
        for name in names:
            if self.only_report:
                self.log.info("Would delete the %s %s.", kind.replace("_", " "), name)
            elif sagemaker.delete(kind, name):
                self.log.info("Deleted the %s %s.", kind.replace("_", " "), name)
