# The dataset-level loss: the class of the shots' defects and of the bank's
# windows is the dataset, each unlabeled image is its own.
_base_ = './_base_/imagenet_contrast.py'

data_root = _base_.data_root
bank = 'work_dirs/neu_det_imagenet/bank/'
train_dataloader = dict(
    dataset=dict(
        sources=[
            _base_.images,
            dict(
                ann_file=data_root + 'annotations/train_20.json',
                img_prefix=data_root + 'images/',
                dataset_ids='class',
            ),
            dict(
                ann_file=bank + 'annotations.json',
                img_prefix=bank + 'images/',
                dataset_ids='class',
                crop=False,
            ),
        ]
    )
)
