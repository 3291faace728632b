"""Backbones that MMDetection lacks, and where their weights are."""
