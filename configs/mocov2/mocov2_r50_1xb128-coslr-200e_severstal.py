# Severstal on one GPU, on windows at the scale of the detector's images. Its
# test images can be one more source:
#     dict(img_folder='<Severstal folder>/test_images', dataset_ids='image')
_base_ = './mocov2_r50_1xb128-coslr-200e_neu-det.py'

data_root = 'data/severstal/'
labeled = dict(
    ann_file=data_root + 'annotations/train.json',
    img_prefix=data_root + 'images/',
)
two_views = dict(_base_.two_views, window=256)

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
