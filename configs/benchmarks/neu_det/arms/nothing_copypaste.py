# mmdet's copy-paste, box mode, between the labelled images.
_base_ = './nothing_plain.py'

labelled = _base_.train_dataloader.dataset
# Pasting makes int64 pixels, which OpenCV does not resize.
loading, rest = labelled.pipeline[:3], labelled.pipeline[3:]
labelled.pipeline = loading
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MultiImageMixDataset',
        dataset=labelled,
        pipeline=[dict(type='CopyPaste', paste_by_box=True), *rest],
    )
)
