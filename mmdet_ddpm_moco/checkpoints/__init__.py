"""Checkpoints: read as weights only, and matched to a backbone."""
