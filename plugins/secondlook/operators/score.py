"""Score a night's images with the endpoint."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from secondlook import jsonl
from secondlook.errors import SecondLookError
from secondlook.layout import check_night
from secondlook.links.console import EndpointLink
from secondlook.names import digest
from secondlook.operators.base import NIGHT, RESOURCE_NAME, SecondLookOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow.sdk import Context

    from secondlook.detection import Prediction
    from secondlook.hooks.scoring import ImageScorer, Quarantined
    from secondlook.hooks.store import StoredObject

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
# Part of the hash of a part's inputs: a change of the record's form makes finished parts stale.
RECORD_FORM = "prediction-1"
_INPUTS = "inputs"


class NoImagesError(SecondLookError):
    """There is nothing to score: most likely the upload of the night is late or went elsewhere."""


class SageMakerScoreImagesOperator(SecondLookOperator):
    """Score every object below ``images/<night>/`` and write one line for each: prediction or quarantine.

    Images are listed, cut into parts of ``part_size`` and scored by ``concurrency`` threads. A finished part
    carries a hash of its inputs (model, keys, ETags) in its metadata; a retry skips it. Throttling and server
    faults are retried by the client and then fail the task; they never quarantine an image.

    Returns ``{"night", "model", "images", "scored", "quarantined", "predictions"}`` and writes the same to
    ``summary.json`` beside the predictions.

    :param night: ``YYYY-MM-DD`` (templated).
    :param endpoint_name: name of the endpoint (templated).
    :param model: id of the model that it serves (templated).
    :param part_size: images per part file (templated).
    :param concurrency: images in flight at once (templated).
    """

    template_fields = (
        *SecondLookOperator.template_fields,
        "night",
        "endpoint_name",
        "model",
        "part_size",
        "concurrency",
    )
    operator_extra_links = (EndpointLink(),)
    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        night: str,
        endpoint_name: str,
        model: str,
        part_size: int | str = 500,
        concurrency: int | str = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.night = night
        self.endpoint_name = endpoint_name
        self.model = model
        self.part_size = part_size
        self.concurrency = concurrency
        self.check_text("night", night, NIGHT)
        self.check_text("endpoint_name", endpoint_name, RESOURCE_NAME)
        self.check_text("model", model)
        self.check_number("part_size", part_size, minimum=1)
        self.check_number("concurrency", concurrency, minimum=1, maximum=64)

    def execute(self, context: Context) -> dict[str, Any]:
        """Score what has not been scored yet."""
        from secondlook.hooks.clients import SageMakerClientHook
        from secondlook.hooks.scoring import ImageScorer

        night, model, endpoint = check_night(str(self.night)), str(self.model), str(self.endpoint_name)
        client = SageMakerClientHook(self.aws_conn_id, self.region_name).client
        EndpointLink.persist(context, self, client=client, name=endpoint)
        folder = self.layout.images(night) + "/"
        images = list(self.store.list_objects(folder))
        if not images:
            raise NoImagesError(
                f"There are no images at {self.layout.uri(folder)}: upload the night's images, then clear "
                "this task."
            )
        scorer = ImageScorer(self.store, endpoint, model, self.region_name)
        parts = list(_chunks(images, int(self.part_size)))
        scored, quarantined = 0, []
        for index, part in enumerate(parts):
            lines, refused = self._part(scorer, night, model, index, part)
            scored += lines
            quarantined += refused
            self.log.info(
                "Part %d of %d: %d of %d images scored, %d quarantined.",
                index + 1, len(parts), scored, len(images), len(quarantined),
            )  # fmt: skip
        self._delete_stale_parts(night, model, len(parts))
        self.store.write(self.layout.quarantine(night, model), jsonl.encode(quarantined))
        result = {
            "night": night,
            "model": model,
            "images": len(images),
            "scored": scored,
            "quarantined": len(quarantined),
            "predictions": self.layout.uri(self.layout.predictions(night, model)) + "/",
        }
        self.store.write(
            self.layout.predictions_summary(night, model), (jsonl.canonical(result) + "\n").encode()
        )
        return result

    def _part(
        self, scorer: ImageScorer, night: str, model: str, index: int, part: list[StoredObject]
    ) -> tuple[int, list[dict[str, Any]]]:
        """Return the number of scored images of a part, and its quarantine lines."""
        key = self.layout.prediction_part(night, model, index)
        refused_key = self._refused_key(night, model, index)
        inputs = digest(RECORD_FORM, model, *(f"{item.key} {item.etag}" for item in part), length=32)
        head = self.store.head(key)
        if head is not None and head.metadata.get(_INPUTS) == inputs:
            refused, _ = self.store.read_jsonl(refused_key)
            self.log.info("Part %d is finished already, %s.", index + 1, self.store.uri(key))
            return len(part) - len(refused), refused
        outcomes = list(_in_order(scorer.score, part, int(self.concurrency)))
        lines, refused = _sorted_out(outcomes)
        # The part comes last: once it is there, so are its quarantine lines.
        self.store.write(refused_key, jsonl.encode(refused))
        self.store.write(key, jsonl.encode_gzip(lines), metadata={_INPUTS: inputs})
        return len(lines), refused

    def _refused_key(self, night: str, model: str, index: int) -> str:
        return f"{self.layout.predictions(night, model)}/quarantine/part-{index:05d}.jsonl"

    def _delete_stale_parts(self, night: str, model: str, count: int) -> None:
        """Delete parts of an earlier, longer list, which would count images twice."""
        folder = self.layout.predictions(night, model)
        wanted = {self.layout.prediction_part(night, model, index) for index in range(count)}
        wanted |= {self._refused_key(night, model, index) for index in range(count)}
        for start in (f"{folder}/part-", f"{folder}/quarantine/part-"):
            for item in self.store.list_objects(start):
                if item.key not in wanted:
                    self.store.delete(item.key)


def _sorted_out(
    outcomes: Iterable[Prediction | Quarantined],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    from secondlook.detection import Prediction

    lines: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for outcome in outcomes:
        (lines if isinstance(outcome, Prediction) else refused).append(outcome.to_record())
    return lines, refused


def _chunks(items: Iterable[StoredObject], size: int) -> Iterator[list[StoredObject]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _in_order(
    function: Callable[[Item], Outcome], items: Iterable[Item], concurrency: int
) -> Iterator[Outcome]:
    """Apply ``function`` in threads and yield results in order; the first error stops the rest."""
    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        pending = deque(pool.submit(function, item) for item in items)
        try:
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
