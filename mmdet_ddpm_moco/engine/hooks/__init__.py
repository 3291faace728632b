"""Hooks for MMEngine runners."""
