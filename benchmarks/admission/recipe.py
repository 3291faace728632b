# What is asked about. A third of the recipe's iterations, teachers of half of
# theirs and a generator of a third: what a user may spend on each fold.
_base_ = '../neu_det/variants/quick_scenes.py'

train_cfg = dict(max_iters=960)
default_hooks = dict(checkpoint=dict(interval=480, max_keep_ckpts=1))
stages = dict(
    root='work_dirs/benchmarks/admission',
    teacher=dict(options={'train_cfg.max_iters': 720}),
    generator=dict(
        config='../neu_det/stages/ddpm.py',
        options={'train_cfg.max_iters': 1000},
    ),
    # Harmful banks are made of added defects.
    bank=dict(num=200, mix=dict(add=0.9, null=0.1)),
)
