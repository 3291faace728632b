"""The check of MMDetection's detectors: its data, and that it can fail."""

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmdet.utils import register_all_modules
from mmengine.config import Config

from benchmarks.detectors.check import LINE, check
from benchmarks.detectors.data import ADDED, LABELED, write_data
from benchmarks.detectors.shrink import shrink
from benchmarks.detectors.stock import STOCK
from benchmarks.detectors.table import MARKS, write_table
from helpers.tiny_detection import faster_rcnn
from mmdet_ddpm_moco.bank.compositing import crop, overlaps
from mmdet_ddpm_moco.bank.reader import DefectBank


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / 'data')


def config_of(tmp_path, kind='CocoDataset', **train_cfg):
    """A config as MMDetection ships them, with a small model."""
    cfg = Config(
        dict(
            default_scope='mmdet',
            model=faster_rcnn(),
            train_dataloader=dict(
                batch_size=16,
                num_workers=8,
                persistent_workers=True,
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=dict(
                    type='RepeatDataset',
                    times=2,
                    dataset=dict(
                        type=kind,
                        data_root='data/coco/',
                        ann_file='annotations/train2017.json',
                        data_prefix=dict(img='train2017/'),
                        pipeline=[
                            dict(type='LoadImageFromFile'),
                            dict(type='LoadAnnotations', with_bbox=True),
                            dict(
                                type='RandomChoiceResize',
                                scales=[(1333, 640), (1333, 800)],
                                keep_ratio=True,
                            ),
                            dict(type='PackDetInputs'),
                        ],
                    ),
                ),
            ),
            train_cfg=train_cfg or dict(by_epoch=True, max_epochs=12),
            optim_wrapper=dict(
                type='AmpOptimWrapper', optimizer=dict(type='SGD', lr=1e-3)
            ),
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook'),
                logger=dict(type='LoggerHook'),
            ),
            load_from='https://nowhere/weights.pth',
        )
    )
    file = tmp_path / 'detector.py'
    cfg.dump(file)
    return file


@pytest.mark.parametrize('kind', ['CocoDataset', 'VOCDataset'])
def test_both_layouts_have_the_labeled_defects(tmp_path, data, kind):
    cfg = Config.fromfile(config_of(tmp_path, kind))
    assert shrink(cfg, data, tmp_path / 'run') == ['without AMP']
    register_all_modules(init_default_scope=True)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert len(dataset) == 12
    x, y, w, h = LABELED
    for sample in (dataset[0], dataset[11]):
        truth = sample['data_samples'].gt_instances
        found = truth.bboxes.tensor.numpy()
        # MMDetection takes the last pixel of VOC's boxes for their end.
        assert np.abs(found - [[x, y, x + w, y + h]]).max() <= 1
        assert truth.labels.tolist() == [0]


def test_pixels_have_the_classes_of_the_panoptic_layout(tmp_path, data):
    things = 4
    cfg = Config.fromfile(config_of(tmp_path, 'CocoPanopticDataset'))
    cfg.model.semantic_head = dict(
        num_things_classes=things, num_stuff_classes=2
    )
    part = cfg.train_dataloader.dataset.dataset
    part.data_prefix.seg = 'annotations/panoptic_train2017/'
    part.pipeline[1:] = [
        dict(type='LoadPanopticAnnotations'),
        dict(type='PackDetInputs'),
    ]
    shrink(cfg, data, tmp_path / 'run')
    register_all_modules(init_default_scope=True)
    dataset = DATASETS.build(part)
    assert len(dataset) == 6
    sample = dataset[0]['data_samples']
    classes = sample.gt_sem_seg.sem_seg.squeeze().numpy()
    expected = np.full_like(classes, things)  # stuff follows things
    crop(expected, LABELED)[:] = 0
    assert np.array_equal(classes, expected)
    assert sample.gt_instances.labels.tolist() == [0]
    assert np.array_equal(
        sample.gt_instances.masks.masks[0], expected != things
    )


def test_the_bank_adds_what_is_not_labeled(data):
    bank = DefectBank(data / 'bank')
    for number in range(len(bank)):
        window = bank[number]
        assert (window.label, window.box) == (1, ADDED)
    assert not overlaps(LABELED, ADDED)


@pytest.mark.parametrize(
    'train_cfg',
    [
        dict(by_epoch=True, max_epochs=12),
        dict(type='IterBasedTrainLoop', max_iters=90000),
    ],
)
def test_bank_and_weights_are_seen(tmp_path, data, train_cfg):
    file = config_of(tmp_path, **train_cfg)
    found = check(file, data, tmp_path / 'runs')
    assert (found['outcome'], found['why']) == ('both', '')


def test_a_users_config_that_has_the_line_already(tmp_path, data):
    """With a data set that compares its classes with the annotations."""
    file = config_of(tmp_path, 'mmdet_ddpm_moco.AluminiumPlateDataset')
    cfg = Config.fromfile(file)
    cfg.model.roi_head.bbox_head.num_classes = 3
    cfg.custom_hooks = [dict(type=LINE, bank='a bank of other images')]
    cfg.stages = dict(root='nowhere', bank=dict(num=4))
    cfg.dump(file)
    found = check(file, data, tmp_path / 'runs')
    assert (found['outcome'], found['why']) == ('both', '')


def test_a_bank_that_does_not_arrive_is_an_error(tmp_path, data):
    file = config_of(tmp_path)
    cfg = Config.fromfile(file)
    # The hook leaves a transform that is there already as it is.
    cfg.train_dataloader.dataset.dataset.pipeline.insert(
        2,
        dict(
            type='mmdet_ddpm_moco.DiffusionDefectAugment',
            bank=str(data / 'bank'),
            prob=0.0,
        ),
    )
    cfg.dump(file)
    found = check(file, data, tmp_path / 'runs')
    assert found['outcome'] == 'error'
    assert found['why'] == 'no window arrived'


def test_an_unknown_backbone_is_an_error(tmp_path, data):
    file = config_of(tmp_path)
    cfg = Config.fromfile(file)
    cfg.model.backbone = dict(type='NoSuchNet')
    cfg.dump(file)
    found = check(file, data, tmp_path / 'runs')
    assert found['outcome'] == 'error'
    assert 'NoSuchNet' in found['why']


def test_stock_configs_are_different(tmp_path):
    assert len({path for _, path in STOCK}) == len(STOCK) >= 30


def test_the_table_says_what_happened(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text(f'before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n')
    names = [path for _, path in STOCK]
    row = dict(why='', notes=['without AMP'])
    rows = {
        names[0]: dict(row, outcome='both'),
        names[1]: dict(row, outcome='refused', why='a | b', notes=[]),
    }
    for _ in range(2):
        write_table(rows, page)
        text = page.read_text()
        assert text.startswith('before\n') and text.endswith('after\n')
        assert 'old' not in text
        assert f'`{names[0]}` | bank and weights | without AMP |' in text
        assert f'`{names[1]}` | refused | a \\| b |' in text
        assert text.count('not tried') == len(STOCK) - 2
