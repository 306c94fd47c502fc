"""Backups: every service's database as of one moment, in a folder, and the way back."""
