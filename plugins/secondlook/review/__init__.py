"""Human review: which images people see, what they were asked, what their answers say."""

from __future__ import annotations

from secondlook.review.budget import MonthBudget, month_of
from secondlook.review.claims import Claims
from secondlook.review.consensus import LabelledBox, consolidate
from secondlook.review.conversion import Rejection, convert_answers, convert_loop
from secondlook.review.forecast import Forecast, typical_seconds
from secondlook.review.launch_summary import LaunchSummary
from secondlook.review.ledger import LedgerLine
from secondlook.review.limits import Limits, PricedLimits, money
from secondlook.review.loop_input import PredrawnBox, input_content, predrawn_boxes
from secondlook.review.night_selection import NightSelection, take_up
from secondlook.review.outcomes import Ending, Outcome
from secondlook.review.output import Answer, DrawnBox, parse_output
from secondlook.review.policies import resolve_policy
from secondlook.review.scored_night import ScoredNight
from secondlook.review.selection import select
from secondlook.review.selection_settings import SelectionSettings
from secondlook.review.selector import NightSelector

__all__ = [
    "Answer",
    "Claims",
    "DrawnBox",
    "Ending",
    "Forecast",
    "LabelledBox",
    "LaunchSummary",
    "LedgerLine",
    "Limits",
    "MonthBudget",
    "NightSelection",
    "NightSelector",
    "Outcome",
    "PredrawnBox",
    "PricedLimits",
    "Rejection",
    "ScoredNight",
    "SelectionSettings",
    "consolidate",
    "convert_answers",
    "convert_loop",
    "input_content",
    "money",
    "month_of",
    "parse_output",
    "predrawn_boxes",
    "resolve_policy",
    "select",
    "take_up",
    "typical_seconds",
]
