# The same, and two teachers label the unlabeled plates.
_base_ = './faster-rcnn_ddpm-moco.py'

work_dir = 'work_dirs/demo/ddpm_moco_scenes'
stages = dict(
    teacher=dict(unlabeled='data/demo/annotations/unlabeled.json', folds=2)
)
