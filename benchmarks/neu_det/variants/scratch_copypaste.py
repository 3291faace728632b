# mmdet's copy-paste, box mode, between the labeled images.
_base_ = './scratch_baseline.py'

# Resized first: pasting makes int64 pixels, which OpenCV does not resize.
labeled = dict(
    _base_.train_dataloader.dataset,
    pipeline=[_base_.load_image, _base_.load_boxes, _base_.resize],
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MultiImageMixDataset',
        dataset=labeled,
        pipeline=[
            dict(type='CopyPaste', paste_by_box=True),
            _base_.flip,
            _base_.pack_train,
        ],
    )
)
