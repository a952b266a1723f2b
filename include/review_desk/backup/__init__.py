"""Backup and restore: a dump of the database, and the journal that is kept beside it since."""
