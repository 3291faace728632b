"""A defect bank, whole: its format, reading, writing and compositing."""
