"""Detectors trained on the labeled images label the unlabeled ones."""
