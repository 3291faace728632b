# mmdet's copy-paste, box mode, between the labeled images.
_base_ = './scratch_baseline.py'

labeled = _base_.train_dataloader.dataset
# Pasting makes int64 pixels, which OpenCV does not resize.
loading, rest = labeled.pipeline[:3], labeled.pipeline[3:]
labeled.pipeline = loading
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MultiImageMixDataset',
        dataset=labeled,
        pipeline=[dict(type='CopyPaste', paste_by_box=True), *rest],
    )
)
