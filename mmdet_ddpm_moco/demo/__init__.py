"""The built-in demo data set: drawn aluminum plates."""
