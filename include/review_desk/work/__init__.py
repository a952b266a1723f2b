"""The work itself: who gets which loop, answers, and how they reach S3."""
