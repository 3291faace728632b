# The labels of two thirds: what scenes could give at most.
_base_ = './baseline.py'
