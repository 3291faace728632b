"""Losses, as pure functions and modules."""
