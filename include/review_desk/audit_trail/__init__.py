"""The audit trail: who did what, when and from where. No answers, no secrets, no names of people."""
