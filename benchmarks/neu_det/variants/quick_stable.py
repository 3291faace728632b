# The learning rate stays after warm-up, so that the averaged weights at any
# iteration are those of a run of that length.
_base_ = './quick_baseline.py'

train_cfg = dict(max_iters=2880)
param_scheduler = [_base_.warmup]
# Experiments score the mean of the last three.
default_hooks = dict(checkpoint=dict(interval=360, max_keep_ckpts=3))
