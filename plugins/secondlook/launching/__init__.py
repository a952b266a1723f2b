"""Launching a night's reviews: its ledger, its flow definition, its human loops."""
