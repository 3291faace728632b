"""Backbones that MMDetection lacks, and their pretrained weights."""
