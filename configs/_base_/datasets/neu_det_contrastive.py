# NEU-DET for contrastive pretraining: all training images without labels, each
# its own dataset; and the labeled shots, one crop per defect, its class being
# the dataset, and two defect-free windows per image, the dataset background.
# The windows of a defect bank can be a third source:
#     dict(ann_file='<bank>/annotations.json', img_prefix='<bank>/images/',
#          dataset_ids='class', crop=False)
data_root = 'data/NEU-DET/'

# Other configs put their pipelines together from these.
two_views = dict(
    type='mmdet_ddpm_moco.TwoViews',
    scale=224,
    crop_ratio_range=(0.2, 1.0),
    # The files hold gray as three equal channels.
    color_type='grayscale',
    # Mirrored, never rotated: the rolling direction matters.
    flips=dict(horizontal=0.25, vertical=0.25, diagonal=0.25),
)
pack_inputs = dict(
    type='PackInputs',
    meta_keys=('img_path', 'sample_idx', 'dataset_id', 'image_id'),
)
train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    drop_last=True,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmdet_ddpm_moco.ContrastiveDataset',
        sources=[
            dict(
                ann_file=data_root + 'annotations/train.json',
                img_prefix=data_root + 'images/',
                dataset_ids='image',
            ),
            dict(
                ann_file=data_root + 'annotations/train_20.json',
                img_prefix=data_root + 'images/',
                dataset_ids='class',
                background=2,
            ),
        ],
        pipeline=[two_views, pack_inputs],
    ),
)
