# Both.
_base_ = './bank.py'

stages = dict(
    teacher=dict(
        unlabeled='data/magnetic-tile/annotations/unlabeled.json',
        options={'train_cfg.max_iters': 720},
    ),
)
