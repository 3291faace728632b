# All labels of the training part, and twice as long.
_base_ = './imagenet_baseline.py'

train_dataloader = dict(dataset=dict(ann_file='annotations/train.json'))
max_iters = 2880
train_cfg = dict(max_iters=max_iters)
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
