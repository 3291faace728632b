"""Defect banks: format, reading, writing and compositing."""
