"""Make the first model the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from secondlook.training import Champion, ModelCard


class ChampionPublishOperator(SecondLookOperator):
    """Make the first model the champion.

    If there is a champion already, another model replaces it only with ``replace``; otherwise the task is
    skipped with a sentence.

    Returns ``{"champion", "version"}``.

    :param model: model id (templated).
    :param replace: whether an existing champion is replaced (templated).
    """

    template_fields = (*SecondLookOperator.template_fields, "model", "replace")
    ui_color = "#d9f0dd"

    def __init__(self, *, model: str, replace: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.replace = replace
        self.check_text("model", model)

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the pointer, once."""
        from secondlook.records.models import champion_document, read_card

        card = read_card(self.store, self.layout, str(self.model))
        document = champion_document(self.store, self.layout.champion())
        champion = document.swap(lambda now: self._published(now, card))
        return {"champion": champion.model, "version": champion.version}

    def _published(self, champion: Champion | None, card: ModelCard) -> Champion:
        from secondlook.training import Champion

        if champion is not None and champion.model == card.model:
            return champion
        if champion is not None and not self.replace:
            raise AirflowSkipException(
                f"{champion.model} is champion already (version {champion.version}): {card.model} stays in "
                "the bucket; start the run with replace to put it into service."
            )
        return Champion.of(card, self.layout.uri(self.layout.card(card.model)), after=champion)
