# Tianchi's aluminium profiles on one GPU, in color, on windows at about the
# scale of the detector's images.
_base_ = './mocov2_r50_1xb128-coslr-200e_neu-det.py'

data_root = 'data/tianchi/'
labeled = dict(
    ann_file=data_root + 'annotations/train.json',
    img_prefix=data_root + 'images/',
)
two_views = dict(_base_.two_views, window=448, color_type='color')

train_dataloader = dict(
    dataset=dict(
        sources=[
            dict(**labeled, dataset_ids='image'),
            dict(**labeled, dataset_ids='class', background=2, share=0.25),
        ],
        pipeline=[two_views, _base_.pack_inputs],
    )
)
custom_hooks = [
    dict(type='mmdet_ddpm_moco.ExportBackboneHook'),
    dict(
        type='mmdet_ddpm_moco.ContrastiveProgressHook',
        labeled=dict(
            ann_file=data_root + 'annotations/train_10.json',
            img_prefix=data_root + 'images/',
            background=1,
        ),
    ),
]
