"""The commands of ``python -m include.review_desk``: one module each, with its options."""
