"""Comparing detectors: arms and seeds, scored on one test set."""
