"""The one place that talks to AWS: AWS dicts stop here."""
