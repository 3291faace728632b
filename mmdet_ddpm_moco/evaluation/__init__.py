"""Metrics of defect banks, detectors and backbones."""
