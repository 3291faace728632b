# Synthesized defects, contrastive weights and scenes, from 20 labeled images
# per class; the other training images are unlabeled. For one GPU.
_base_ = '../faster_rcnn_ddpm_moco.py'

few = 'annotations/train_20.json'
labeled = dict(_base_.train_dataloader.dataset, ann_file=few)
# 75 iterations of an epoch of 120 images.
train_dataloader = dict(
    dataset=dict(
        _delete_=True, type='RepeatDataset', times=10, dataset=labeled
    )
)
stages = dict(
    root='work_dirs/neu_det_20shot',
    generator=dict(
        options={'train_dataloader.dataset.ann_file': _base_.data_root + few}
    ),
    bank=dict(num=1000),
    # Three teachers as long as the detector, each on 80 of the images. Of
    # train.json they read the names alone.
    teacher=dict(
        unlabeled=_base_.data_root + 'annotations/train.json',
        folds=3,
    ),
)
