"""Human review: whom to ask, what was asked, what the answers say."""

from __future__ import annotations

from secondlook.review.budget import MonthBudget, Terms, money, month_of
from secondlook.review.choice import ReviewChoice
from secondlook.review.consensus import Consensus, ConsensusBox, LabelledBox, consolidate
from secondlook.review.conversion import Rejection, convert, settle
from secondlook.review.forecast import Forecast, typical_seconds
from secondlook.review.ledger import LedgerLine, Outcome, PredrawnBox, input_content, predrawn_boxes
from secondlook.review.output import Answer, DrawnBox, ReviewOutput, parse_output
from secondlook.review.plan import ReviewPlan, claim, take_up, unclaim
from secondlook.review.policies import (
    EmptyAwarePolicy,
    RandomPolicy,
    ReviewPolicy,
    TopScorePolicy,
    UncertaintySumPolicy,
    resolve_policy,
)
from secondlook.review.scored_night import ScoredNight
from secondlook.review.selection import Selection, select

__all__ = [
    "Answer",
    "Consensus",
    "ConsensusBox",
    "DrawnBox",
    "EmptyAwarePolicy",
    "Forecast",
    "LabelledBox",
    "LedgerLine",
    "MonthBudget",
    "Outcome",
    "PredrawnBox",
    "RandomPolicy",
    "Rejection",
    "ReviewChoice",
    "ReviewOutput",
    "ReviewPlan",
    "ReviewPolicy",
    "ScoredNight",
    "Selection",
    "Terms",
    "TopScorePolicy",
    "UncertaintySumPolicy",
    "claim",
    "consolidate",
    "convert",
    "input_content",
    "money",
    "month_of",
    "parse_output",
    "predrawn_boxes",
    "resolve_policy",
    "select",
    "settle",
    "take_up",
    "typical_seconds",
    "unclaim",
]
