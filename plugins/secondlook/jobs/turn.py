"""Whose turn it is to train: concurrent nights take turns, one challenger at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondlook.failures.exceptions import SecondLookError
from secondlook.records.challenger import ChallengerBook
from secondlook.records.models import read_card, read_champion
from secondlook.training import OpenChallenger

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondlook.hooks.s3 import ObjectStore
    from secondlook.hooks.sagemaker import SageMaker
    from secondlook.jobs.training import TrainingJobs
    from secondlook.layout import Layout
    from secondlook.training import ModelCard, Standing
    from secondlook.training.recipe import TrainingRecipe

# Each lost claim means that another night made progress.
CLAIM_ATTEMPTS = 50


class ChallengerBusyError(SecondLookError):
    """Too many nights try to train at the same moment."""

    passing = True


@dataclass(frozen=True, slots=True)
class Turn:
    """The jobs to run now, the challenger's first; ``parent`` is the champion that they start from."""

    parent: str
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Busy:
    """The open challenger, and its progress so far."""

    challenger: OpenChallenger
    standing: Standing


class ChallengerTurn:
    """Lets one night at a time train a challenger of the champion.

    Which challenger is open is written to ``training/challenger.json``, by compare-and-swap and before its
    job starts. It stays open until it cannot be trained, has lost, or another model is champion. A night that
    would train the same one attaches to it; any other waits. So however many nights train at once, each
    challenger starts from the champion in service, and the last one has seen every answer: running the nights
    again trains nothing.

    Parameters
    ----------
    jobs
        The training jobs of this task.
    run
        The Airflow run, ``dag_id/run_id``: a retry and a clear keep it.
    night
        Its night.
    """

    def __init__(self, jobs: TrainingJobs, *, run: str, night: str) -> None:
        shared = jobs.shared
        self._store, self._layout, self._log = shared.store, shared.layout, shared.log
        self._jobs = jobs
        self._run = run
        self._night = night
        self._book = ChallengerBook(shared.store, shared.layout, shared.sagemaker)

    def take(
        self,
        recipes: Callable[[ModelCard], list[TrainingRecipe]],
        *,
        earlier: Turn | None = None,
        given_up: str = "",
    ) -> Turn | Busy:
        """Take the turn if no other challenger is open.

        Parameters
        ----------
        recipes
            Makes recipes, the challenger's first, of the champion's card and the answers there are now.
        earlier
            The turn of an earlier try of this task; it is resumed if its jobs are still running.
        given_up
            A challenger that this night no longer waits for.

        Raises
        ------
        ChallengerBusyError
            Other nights were faster :data:`CLAIM_ATTEMPTS` times.
        """
        for _ in range(CLAIM_ATTEMPTS):
            champion = read_champion(self._store, self._layout.champion()).model
            if earlier and earlier.parent == champion and self._jobs.still_running(earlier.jobs):
                return earlier
            seen = self._book.read()
            busy = self._busy(seen, champion)
            if busy is not None and busy.challenger.run == self._run:
                self._log.info("This run trains %s already.", busy.challenger.challenger)
                return Turn(busy.challenger.parent, busy.challenger.jobs)
            named = {self._jobs.free_name(recipe): recipe for recipe in recipes(self._card(champion))}
            turn = Turn(champion, tuple(named))
            if seen is not None and turn.jobs[0] == seen.challenger:
                self._log.info("The challenger of %s would be the same: %s.", seen.night, seen.challenger)
                return turn
            if busy is not None and busy.challenger.challenger != given_up:
                self._say_what_is_waited_for(busy)
                return busy
            if self._claim(turn, named, seen):
                return turn
        raise ChallengerBusyError(
            f"{CLAIM_ATTEMPTS} times another run wrote {self._book.uri} first: the next try looks again."
        )

    def _say_what_is_waited_for(self, busy: Busy) -> None:
        other = busy.challenger
        self._log.info(
            "Night %s waits until %s of night %s is decided. It %s. No action needed. If that run is dead, "
            "delete %s to unblock this one.",
            *(self._night, other.challenger, other.night, busy.standing.value, self._book.uri),
        )

    def _card(self, champion: str) -> ModelCard:
        return read_card(self._store, self._layout, champion)

    def _busy(self, seen: OpenChallenger | None, champion: str) -> Busy | None:
        """Return the challenger to wait for, if any; not one whose job this run has stopped."""
        if seen is None:
            return None
        standing = self._book.standing(seen, champion)
        if standing.decided or (seen.run == self._run and self._jobs.is_being_stopped(seen.challenger)):
            return None
        return Busy(seen, standing)

    def _claim(self, turn: Turn, named: dict[str, TrainingRecipe], seen: OpenChallenger | None) -> bool:
        for name, recipe in named.items():
            self._jobs.write(name, recipe)
        mine = OpenChallenger(parent=turn.parent, jobs=turn.jobs, run=self._run, night=self._night)
        return self._book.claim(mine, seen)


def is_decided(store: ObjectStore, layout: Layout, sagemaker: SageMaker, challenger: str) -> bool:
    """Whether there is no need to wait for a challenger: it is decided, or no longer the open one."""
    book = ChallengerBook(store, layout, sagemaker)
    found = book.read()
    if found is None or found.challenger != challenger:
        return True
    return book.standing(found, read_champion(store, layout.champion()).model).decided
