"""Let a person approve a challenger that has won, and keep the answer where every later run sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import ApprovalOperator

from secondlook.failures.exceptions import SecondLookError
from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ApprovalMissingError(SecondLookError):
    """A promotion was neither approved nor rejected in time; an automatic retry would not help."""


class PromotionApprovalOperator(SecondLookOperator, ApprovalOperator):
    """Ask a person whether the challenger becomes champion, and write the answer into its card.

    The card's verdict holds the answer as ``approval``: ``approved`` or ``rejected``, without a name. A
    rejected challenger does not block later nights, and no run promotes it, with or without approval, until
    this task is cleared and the promotion approved.

    :param challenger: model id (templated).
    """

    template_fields = (
        *SecondLookOperator.template_fields,
        *ApprovalOperator.template_fields,
        "challenger",
    )

    def __init__(self, *, challenger: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.challenger = challenger
        self.check_text("challenger", challenger)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer.

        :raises ApprovalMissingError: there is none within ``response_timeout``.
        """
        from secondlook.records.models import record_verdict
        from secondlook.training import Approval

        # Airflow ends a rejection with an exception that skips downstream tasks, so the card comes first.
        choice = event.get("chosen_options")
        if choice in ([self.APPROVE], [self.REJECT]):
            approval = Approval.APPROVED if choice == [self.APPROVE] else Approval.REJECTED
            record_verdict(self.store, self.layout, str(self.challenger), {"approval": approval.value})
            self.log.info("%s was %s by a person; its card says so.", self.challenger, approval.value)
        try:
            return super().execute_complete(context, event)
        except HITLTimeoutError:
            raise ApprovalMissingError(
                f"Nobody approved or rejected {self.challenger} within {self.response_timeout}: the champion "
                "stays; clear this task to ask again."
            ) from None
