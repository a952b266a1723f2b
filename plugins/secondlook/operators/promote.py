"""Which model is in service: the champion pointer, changed only by compare-and-swap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from secondlook.training import Champion, ModelCard


class ChampionPromoteOperator(SecondLookOperator):
    """Make the challenger the champion, if its parent still is.

    A promotion that comes too late, because another challenger was promoted meanwhile, or that a person has
    rejected is skipped with a sentence; a retry after a success finds the pointer as it wants it. The
    challenger's card gets the version it was promoted as.

    Returns ``{"champion", "version"}``.

    :param challenger: model id (templated).
    :param champion: ``s3://`` address of the champion pointer, by default the deployment's own (templated).
    """

    template_fields = (*SecondLookOperator.template_fields, "challenger", "champion")
    ui_color = "#d9f0dd"

    def __init__(self, *, challenger: str, champion: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.challenger = challenger
        self.champion = champion
        self.check_text("challenger", challenger)

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare and swap."""
        from secondlook.records.models import champion_document, present, read_card, record_verdict

        key = self.layout.key_of(self.champion) if self.champion else self.layout.champion()
        card = read_card(self.store, self.layout, str(self.challenger))
        document = champion_document(self.store, key)
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
