"""What an API key was made for: which operations, which work team, which part of S3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.review_desk.errors import AccessDenied
from include.review_desk.storage import prefixes

if TYPE_CHECKING:
    from include.review_desk.storage.prefixes import Prefixes

ADMIN = "admin"
RUNTIME = "runtime"
CLASSES = (RUNTIME, ADMIN)

RUNTIME_OPERATIONS = frozenset(
    {
        "StartHumanLoop",
        "DescribeHumanLoop",
        "ListHumanLoops",
        "StopHumanLoop",
        "DeleteHumanLoop",
        "DescribeFlowDefinition",
    }
)
"""What a program calls that has loops answered with flow definitions that are there already."""


@dataclass(frozen=True)
class Purpose:
    """What a key may do.

    Parameters
    ----------
    holder
        What messages call the key.
    operations
        One of CLASSES: ``runtime`` is RUNTIME_OPERATIONS, ``admin`` every operation.
    team
        The only work team that the key may act for; None: any.
    reads, writes
        Where templates' links and flow definitions' outputs may lie.
    """

    holder: str
    operations: str = ADMIN
    team: str | None = None
    reads: Prefixes = None
    writes: Prefixes = None

    def check_operation(self, operation: str) -> None:
        """Raise AccessDenied for an operation that the key was not made for."""
        if self.operations != ADMIN and operation not in RUNTIME_OPERATIONS:
            raise AccessDenied(
                f"{self.holder} may not call {operation}: it was made with --operations {self.operations}. "
                "Use a key made with create-key --operations admin."
            )

    def check_team(self, team: str, what: str) -> None:
        """Raise AccessDenied where ``what`` belongs to a team that the key was not made for."""
        if self.team is not None and team != self.team:
            raise AccessDenied(
                f"{self.holder} may not use {what}: it was made with --team {self.team}. "
                "Use a key made for the other team, or one with --any-team."
            )

    def check_output(self, path: str) -> None:
        """Raise AccessDenied where answers would be written outside of what the key may write."""
        if not prefixes.is_folder_within(self.writes, path):
            raise AccessDenied(
                f"{self.holder} may not have answers written to {path[:300]}: it may write "
                f"{prefixes.in_words(self.writes)}. Choose an S3OutputPath there, or use a key made with "
                "another create-key --write-prefix."
            )

    def out_of_reach(self, why: str) -> AccessDenied:
        """The error for a template's link that leads to where the key may not read; ``why`` names it."""
        return AccessDenied(
            f"{self.holder} may not show people what the template links to: {why} The key may read "
            f"{prefixes.in_words(self.reads)}. Put the object there, or use a key made with another "
            "create-key --read-prefix."
        )


UNLIMITED = Purpose("The caller")
"""Of the keys in a file of ``--credentials``, and of the desk itself."""
