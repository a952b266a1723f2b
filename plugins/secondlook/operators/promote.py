"""Make a challenger that won its comparison the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from secondlook.training import Champion, ModelCard


class ChampionPromoteOperator(SecondLookOperator):
    """Make the challenger the champion, if its parent still is.

    The task is skipped with a sentence if another challenger was promoted in the meantime or a person has
    rejected this one; a retry after a success finds nothing left to do. The
    challenger's card gets the version it was promoted as.

    Returns ``{"champion", "version"}``.

    :param challenger: model id (templated).
    """

    template_fields = (*SecondLookOperator.template_fields, "challenger")
    ui_color = "#d9f0dd"

    def __init__(self, *, challenger: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.challenger = challenger
        self.check_text("challenger", challenger)

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare and swap."""
        from secondlook.records.models import champion_document, present, read_card, record_verdict

        card = read_card(self.store, self.layout, str(self.challenger))
        document = champion_document(self.store, self.layout.champion())
        champion = present(document.update(lambda now: self._successor(now, card)), document.uri)
        self.log.info("%s is champion number %d.", champion.model, champion.version)
        record_verdict(self.store, self.layout, card.model, {"promoted_as_version": champion.version})
        return {"champion": champion.model, "version": champion.version}

    def _successor(self, champion: Champion, card: ModelCard) -> Champion:
        from secondlook.training import Champion, is_rejected_by_a_person

        if champion.model == card.model:
            return champion
        if is_rejected_by_a_person(card.verdict):
            raise AirflowSkipException(
                f"A person has rejected {card.model}: nothing is promoted. To decide again, clear the task "
                "approve of the run that asked; more answers make another challenger."
            )
        if card.parent != champion.model:
            raise AirflowSkipException(
                f"{card.model} was trained from {card.parent} and compared with it, but the champion is now "
                f"{champion.model}: nothing is promoted; its answers go into the next training."
            )
        return Champion.of(card, self.layout.uri(self.layout.card(card.model)), after=champion)
