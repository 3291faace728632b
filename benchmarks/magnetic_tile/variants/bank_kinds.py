# Synthesized defects, and a backbone pretrained by the dataset-level loss with
# the kinds that labels and teachers tell. Experiments say that the detector is
# shown no scenes.
_base_ = './bank.py'

stages = dict(
    teacher=dict(
        unlabeled='data/magnetic-tile/annotations/unlabeled.json',
        options={'train_cfg.max_iters': 720},
    ),
    backbone=dict(
        config='../../../configs/mocov2/mocov2_lite0_1xb64-coslr-530i_neu-det.py',
        scenes=True,
        options={'model.head.loss.instance_weight': 0.0},
    ),
)
