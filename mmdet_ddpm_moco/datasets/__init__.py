"""Data set classes and transforms."""
