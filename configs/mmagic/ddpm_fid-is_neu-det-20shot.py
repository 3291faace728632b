# A generator's windows, sampled by mmagic's runner and scored by its metrics.
default_scope = 'mmagic'
custom_imports = dict(
    imports=['mmdet_ddpm_moco.interop.mmagic'], allow_failed_imports=False
)
randomness = dict(seed=0)
work_dir = 'work_dirs/mmagic'

data_root = 'data/NEU-DET/'
windows = dict(max_window=128, image_size=224)
num_samples = 1000
inception = dict(
    inception_style='StyleGAN',
    # From tools/export_extractor.py lite0.
    inception_path='work_dirs/mmagic/lite0.pt',
)

model = dict(
    type='DefectDDPMSampler',
    generator='work_dirs/ddpm/generator',
    ann_file=data_root + 'annotations/train_20.json',
    img_prefix=data_root + 'images/',
    # Real windows are BGR already.
    data_preprocessor=dict(type='DataPreprocessor', data_keys=None),
    **windows,
)
test_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='RealDefectWindows',
        # Not what the generator was trained on.
        ann_file=data_root + 'annotations/val.json',
        img_prefix=data_root + 'images/',
        **windows,
    ),
)
test_cfg = dict(type='MultiTestLoop')
test_evaluator = dict(
    type='Evaluator',
    metrics=[
        dict(
            type='FrechetInceptionDistance',
            fake_nums=num_samples,
            # Classes as frequent as among the real windows.
            need_cond_input=True,
            # Statistics of the real windows: mmagic reads the file if it is
            # there, whatever it was made with. Delete it after a change of
            # the extractor or of the real windows.
            inception_pkl=work_dir + '/real_windows.pkl',
            **inception,
        ),
        dict(
            type='InceptionScore',
            fake_nums=num_samples,
            resize=False,  # to 299 pixels, which Lite0 does not take
            need_cond_input=True,
            **inception,
        ),
    ],
)
