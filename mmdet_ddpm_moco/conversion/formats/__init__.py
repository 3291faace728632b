"""Data set formats as they are found; one module reads one format."""
