# And with scenes: the unlabeled plates, as two teachers label them.
_base_ = './faster-rcnn_ddpm-moco.py'

work_dir = 'work_dirs/demo/ddpm_moco_scenes'
stages = dict(
    teacher=dict(
        config='demo/faster-rcnn_ddpm-moco-scenes.py',
        unlabeled='data/demo/annotations/unlabeled.json',
        folds=2,
    ),
)
