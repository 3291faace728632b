# Data and schedule of all variants. train_20.json is the placeholder of the
# shots that a seed draws; variants are scored once, at the end.
_base_ = [
    '../../../configs/_base_/datasets/neu_det_detection.py',
    '../../../configs/_base_/schedules/adamw_720i.py',
    'mmdet::_base_/default_runtime.py',
]

data_root = 'data/NEU-DET-benchmark/'

train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(data_root=data_root, ann_file='annotations/train_20.json'),
)
val_dataloader = None
val_evaluator = None
val_cfg = None
test_dataloader = dict(dataset=dict(data_root=data_root))
test_evaluator = dict(ann_file=data_root + 'annotations/test.json')

# 5,760 image-steps: see the learning curve in docs/results.md.
max_iters = 1440
train_cfg = dict(max_iters=max_iters)
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
# The schedule counts iterations.
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=120, max_keep_ckpts=1)
)
log_processor = dict(by_epoch=False)
