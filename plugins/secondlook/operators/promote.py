"""Which model is in service: the champion pointer, changed only by compare-and-swap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from secondlook.failures.exceptions import SecondLookError
from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from secondlook.training import Champion, ModelCard


SWAP_ATTEMPTS = 5


class ChampionChangedError(SecondLookError):
    """Other runs moved the champion pointer again and again while this one wanted to."""

    passing = True


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
        from secondlook.records.models import read_card, read_champion, record_verdict

        key = self.layout.key_of(self.champion) if self.champion else self.layout.champion()
        card = read_card(self.store, self.layout, str(self.challenger))
        for _ in range(SWAP_ATTEMPTS):
            champion, etag = read_champion(self.store, key)
            if champion.model != card.model:
                successor = self._successor(champion, card)
                if not self._swapped(key, successor, etag):
                    continue
                champion = successor
            record_verdict(self.store, self.layout, card.model, {"promoted_as_version": champion.version})
            return {"champion": champion.model, "version": champion.version}
        raise ChampionChangedError(
            f"{self.store.uri(key)} was changed by other runs {SWAP_ATTEMPTS} times while {card.model} was "
            "being promoted: run the task again, it looks anew."
        )

    def _successor(self, champion: Champion, card: ModelCard) -> Champion:
        from secondlook.training import is_rejected_by_a_person

        if is_rejected_by_a_person(card.verdict):
            raise AirflowSkipException(
                f"A person has rejected {card.model}: nothing is promoted. To decide anew, clear the task "
                "approve of the run that asked; more answers make another challenger."
            )
        if card.parent != champion.model:
            raise AirflowSkipException(
                f"{card.model} was trained from {card.parent} and compared with it, but the champion is now "
                f"{champion.model}: nothing is promoted; its answers go into the next training."
            )
        return champion.succeeded_by(card, self.layout.uri(self.layout.card(card.model)))

    def _swapped(self, key: str, successor: Champion, etag: str) -> bool:
        """Move the pointer; False when somebody else has, a night with the same challenger for example."""
        from secondlook.hooks.s3 import ObjectChangedError

        try:
            self.store.compare_and_swap(key, successor.to_json(), etag)
        except ObjectChangedError:
            return False
        self.log.info("%s is champion number %d.", successor.model, successor.version)
        return True


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
        from secondlook.records.models import NoChampionError, read_card, read_champion
        from secondlook.training import Champion

        key = self.layout.champion()
        card = read_card(self.store, self.layout, str(self.model))
        card_uri = self.layout.uri(self.layout.card(card.model))
        try:
            champion, etag = read_champion(self.store, key)
        except NoChampionError:
            first = Champion.first(card, card_uri)
            self.store.write_if_absent(key, first.to_json())
            return {"champion": first.model, "version": first.version}
        if champion.model == card.model:
            return {"champion": champion.model, "version": champion.version}
        if not self.replace:
            raise AirflowSkipException(
                f"{champion.model} is champion already (version {champion.version}): {card.model} stays in "
                "the bucket; start the run with replace to put it into service."
            )
        successor = champion.succeeded_by(card, card_uri)
        self.store.compare_and_swap(key, successor.to_json(), etag)
        return {"champion": successor.model, "version": successor.version}
