# The dataset-level loss alone.
_base_ = './scratch_mix.py'

model = dict(head=dict(loss=dict(instance_weight=0.0)))
