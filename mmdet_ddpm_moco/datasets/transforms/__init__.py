"""Transforms for detection and contrastive pipelines."""
