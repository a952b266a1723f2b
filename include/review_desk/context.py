"""What every part of the desk shares: configuration, database, clock, templates and S3."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from include.review_desk.arns import Arns
from include.review_desk.people.desk_key import DeskKey
from include.review_desk.people.devices import Devices
from include.review_desk.people.limits import SignInLimiter
from include.review_desk.work.known_elements import KnownElements
from include.review_desk.work.queue_marks import QueueMarks
from include.review_desk.worker_templates.threads import RenderingThreads

if TYPE_CHECKING:
    from include.review_desk.clock import Clock
    from include.review_desk.events.destinations import Destination
    from include.review_desk.storage.database import Database
    from include.review_desk.storage.object_store import ObjectStore
    from include.review_desk.worker_templates.rendering import Renderer


@dataclass(frozen=True)
class DeskConfig:
    """Facts of this deployment.

    Parameters
    ----------
    public_url
        Where people and links reach the desk, for example ``http://127.0.0.1:5800``.
    role_arns
        The only roles that flow definitions may name; None: any role of this account.
    session_seconds
        How long a worker stays signed in.
    idle_seconds
        A session without requests for this long ends.
    silence_seconds
        A client that has once sent a heartbeat and then falls silent this long gives its task back.
    correction_seconds
        How long an answer given on the page can still be corrected before its output is written.
    audit_trail_days
        How long rows of the audit trail are kept, in whole UTC days.
    buckets
        The only buckets that images are read from and output.json is written to; None: any.
    image_origins
        Origins (``https://host:port``) that browsers load a task's images from, for the frame's
        Content-Security-Policy.
    """

    region: str = "us-east-1"
    account_id: str = "111122223333"
    public_url: str = "http://127.0.0.1:5800"
    role_arns: tuple[str, ...] | None = None
    session_seconds: int = 12 * 3600
    idle_seconds: int = 4 * 3600
    silence_seconds: int = 180
    correction_seconds: int = 30
    audit_trail_days: int = 365
    buckets: tuple[str, ...] | None = None
    image_origins: tuple[str, ...] = ("https://*.amazonaws.com",)

    @property
    def arns(self) -> Arns:
        """ARNs in this account and Region."""
        return Arns(self.region, self.account_id)

    @property
    def public_host(self) -> str:
        """``host:port`` of the public URL: what DescribeWorkteam calls SubDomain."""
        return urlsplit(self.public_url).netloc


@dataclass(frozen=True)
class Desk:
    """The desk's own services, shared by API, worker pages and housekeeping."""

    config: DeskConfig
    database: Database
    clock: Clock
    renderer: Renderer
    store: ObjectStore
    # One for all ways in, so that guesses on the page and on the worker API count together.
    sign_in_limiter: SignInLimiter = field(default_factory=SignInLimiter)
    # The desk's own key, for second factors.
    key: DeskKey = field(default_factory=lambda: DeskKey(None))
    # Browsers that people have signed in with before.
    devices: Devices = field(default_factory=Devices)
    # Where ended loops are announced.
    destinations: tuple[Destination, ...] = ()
    # Where each person's part of a queue begins.
    queue_marks: QueueMarks = field(default_factory=QueueMarks)
    # What answers to the pages of late are checked against.
    known_elements: KnownElements = field(default_factory=KnownElements)
    # Set when an answer is ready for S3, so that its thread need not poll.
    outbox_changed: threading.Event = field(default_factory=threading.Event)
    # Where what may wait for a template runs.
    rendering_threads: RenderingThreads = field(default_factory=RenderingThreads)
