"""Which model an endpoint serves: it may change while a night is being scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from secondlook.failures.exceptions import SecondLookError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secondlook.hooks.sagemaker import SageMaker

Item = TypeVar("Item")


class OtherModelServedError(SecondLookError):
    """The endpoint serves, or is about to serve, another config than the night's.

    An update in progress may still be rolled back, so it passes; a finished one does not.
    """


class ServedConfig:
    """Checks that the same endpoint config serves from start to end.

    :param endpoint_name: the endpoint.
    :param config: the endpoint config that holds the night's model; None: the one served at the first
        look.
    """

    def __init__(self, sagemaker: SageMaker, endpoint_name: str, config: str | None) -> None:
        self._sagemaker = sagemaker
        self._endpoint_name = endpoint_name
        self._config = config
        self._looked = False

    def during(self, outcomes: Iterable[Item]) -> Iterator[Item]:
        """Yield what the endpoint answers, and look when all is there; the first time also before asking.

        Outcomes that are written once all are there are one model's.

        Raises
        ------
        OtherModelServedError
            What was answered since the last look may come from another model.
        """
        if not self._looked:
            self._look()
        yield from outcomes
        self._look()

    def _look(self) -> None:
        self._looked = True
        name = self._endpoint_name
        state = self._sagemaker.endpoint(name)
        if state is None:
            raise OtherModelServedError(
                f"The endpoint {name} does not exist: clear `deploy` and what follows.", passing=False
            )
        self._config = self._config or state.config
        if state.config != self._config:
            raise OtherModelServedError(
                f"The endpoint {name} serves {state.config} now, no longer the night's {self._config}: "
                "another run has deployed another model. Clear `deploy` and what follows, and the night is "
                "scored with that one.",
                passing=False,
            )
        # Auto-scaling updates an endpoint, too, but keeps its config.
        if (state.pending or self._config) != self._config or state.status == "RollingBack":
            raise OtherModelServedError(
                f"The endpoint {name} is {state.status}, from the night's {self._config} to "
                f"{state.pending or 'another one and back'}: nothing is scored until that ends.",
                passing=True,
            )
