# All labels of the training part, and twice as long.
_base_ = './imagenet_baseline.py'

train_dataloader = dict(dataset=dict(ann_file='annotations/train.json'))
train_cfg = dict(max_iters=2880)
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = 2880
