# data.py, and the detector is an average of its weights.
_base_ = ['./data.py', '../../../configs/_base_/averaged_weights.py']
