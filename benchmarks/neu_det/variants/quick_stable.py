# The learning rate stays after warm-up, so that the averaged weights at any
# iteration are those of a run of that length.
_base_ = './quick_baseline.py'

train_cfg = dict(max_iters=2880)
param_scheduler = [_base_.warmup]
