"""Converts annotated images to COCO json, without torch."""
