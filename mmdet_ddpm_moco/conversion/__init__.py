"""Turns folders of annotated images into COCO json, without torch."""
