"""Hooks, checkpoints and the stages that tools/train.py runs."""
