"""A person's word on a challenger that has won, kept where every later run sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import ApprovalOperator

from secondlook.failures.exceptions import SecondLookError
from secondlook.operators.base import SecondLookOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class NobodyAnsweredError(SecondLookError):
    """A promotion was neither approved nor rejected in time; asking once more by itself would not help."""


class PromotionApprovalOperator(SecondLookOperator, ApprovalOperator):
    """Ask a person whether the challenger is to become champion, and write the answer into its card.

    The answer stands in the card's verdict as ``approval``: ``approved`` or ``rejected``, without a name. A
    rejected challenger stands in no later night's way, and no run promotes it, whether that run asks or not,
    until somebody clears this task and approves.

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

        Raises
        ------
        NobodyAnsweredError
            There is none within ``response_timeout``.
        """
        from secondlook.records.models import record_verdict
        from secondlook.training import Approval

        # Airflow leaves a rejection by an exception that skips what follows, so the card comes first.
        choice = event.get("chosen_options")
        if choice in ([self.APPROVE], [self.REJECT]):
            approval = Approval.APPROVED if choice == [self.APPROVE] else Approval.REJECTED
            record_verdict(self.store, self.layout, str(self.challenger), {"approval": approval.value})
            self.log.info("%s was %s by a person; its card says so.", self.challenger, approval.value)
        try:
            return super().execute_complete(context, event)
        except HITLTimeoutError:
            raise NobodyAnsweredError(
                f"Nobody said within {self.response_timeout} whether {self.challenger} is to be promoted: "
                "the champion stays; to be asked again, clear this task."
            ) from None
