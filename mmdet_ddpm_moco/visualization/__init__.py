"""Diagrams and sample grids."""
