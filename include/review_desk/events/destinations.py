"""Where events go: an HTTP address of the team's own (webhook) and an Amazon SQS queue."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from include.review_desk.errors import DeskSetupError

WEBHOOK = "webhook"
QUEUE = "queue"
SIGNATURE_HEADER = "X-Review-Desk-Signature"

_TIMEOUT_SECONDS = 5.0


class EventNotTaken(Exception):
    """A destination did not accept an event; the message is a short code without addresses.

    ``away``: the destination is unreachable, and the next event would fail too; else it refused this event.
    """

    def __init__(self, code: str, *, away: bool) -> None:
        super().__init__(code)
        self.away = away


class Destination(Protocol):
    """A receiver of events, one at a time."""

    name: str

    def send(self, body: str) -> None:
        """Send one event, or raise EventNotTaken."""


class Webhook:
    """POSTs each event as application/json; any 2xx means accepted.

    Parameters
    ----------
    url
        http or https. Redirects are not followed: a redirect does not count as accepted.
    secret
        If given, the header ``X-Review-Desk-Signature: sha256=<hex>`` carries the body's HMAC-SHA256, by
        which the receiver knows the sender.

    Raises
    ------
    DeskSetupError
        The URL is no http or https address.
    """

    name = WEBHOOK

    def __init__(self, url: str, secret: bytes | None = None) -> None:
        _check_url(url, "--event-webhook", "https://receiver.example/a2i-events")
        self._url = url
        self._secret = secret
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False)

    def send(self, body: str) -> None:
        """POST one event."""
        payload = body.encode("utf-8")
        headers = {"Content-Type": "application/json", "User-Agent": "review-desk"}
        if self._secret is not None:
            headers[SIGNATURE_HEADER] = (
                f"sha256={hmac.new(self._secret, payload, hashlib.sha256).hexdigest()}"
            )
        try:
            # The response's body does not matter, and may be of any length.
            with self._client.stream("POST", self._url, content=payload, headers=headers) as response:
                status = response.status_code
        except httpx.HTTPError as error:
            raise EventNotTaken(type(error).__name__, away=True) from error
        if not 200 <= status < 300:
            raise EventNotTaken(f"HTTP {status}", away=status >= 500 or status == 429)


class Queue:
    """Sends each event as one message; in a FIFO queue the loop's name is the group, the event's id the key.

    Parameters
    ----------
    url
        The queue's URL as Amazon SQS gives it; Region and endpoint follow from it.
    endpoint_url
        Another SQS server than the one that the URL names.

    Raises
    ------
    DeskSetupError
        The URL is no http or https address with a queue's name.
    """

    name = QUEUE

    def __init__(
        self,
        url: str,
        *,
        region: str,
        endpoint_url: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
    ) -> None:
        example = "https://sqs.us-east-1.amazonaws.com/111122223333/a2i-events"
        parts = _check_url(url, "--event-queue-url", example)
        if not parts.path.strip("/"):
            raise DeskSetupError(f"--event-queue-url names no queue: write it like {example}.")
        self._url = url
        self._client: Any = boto3.session.Session().client(
            "sqs",
            region_name=queue_region(url) or region,
            endpoint_url=endpoint_url or f"{parts.scheme}://{parts.netloc}",
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=Config(
                connect_timeout=_TIMEOUT_SECONDS,
                read_timeout=2 * _TIMEOUT_SECONDS,
                retries={"total_max_attempts": 1},
            ),
        )

    def send(self, body: str) -> None:
        """Send one message."""
        arguments = {"QueueUrl": self._url, "MessageBody": body}
        if self._url.endswith(".fifo"):
            event = json.loads(body)
            arguments |= {
                "MessageGroupId": event["detail"]["humanLoopName"],
                "MessageDeduplicationId": event["id"],
            }
        try:
            self._client.send_message(**arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "Unknown"))
            raise EventNotTaken(code, away=True) from error
        except BotoCoreError as error:
            raise EventNotTaken(type(error).__name__, away=True) from error


def queue_region(url: str) -> str | None:
    """The Region in the host of an Amazon SQS queue URL, None for another server."""
    labels = (urlsplit(url).hostname or "").split(".")
    return labels[1] if len(labels) > 3 and labels[0] == "sqs" and "amazonaws" in labels else None


def _check_url(url: str, option: str, example: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DeskSetupError(f"{option} must be an http or https address, like {example}.")
    return parts
