"""The judge against mmdet's own inference."""

import copy
import functools

import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector
from mmdet.datasets import VOCDataset
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ddpm_moco.evaluation.judge import (
    Judge,
    class_names,
    dataset_classes,
)
from mmdet_ddpm_moco.utils.fileio import write_json
from mmdet_ddpm_moco.utils.paths import shipped

CLASSES = ('dent', 'scratch')
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(96, 96), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]


@functools.cache
def config():
    """The shipped small Faster R-CNN with 8 channels everywhere."""
    base = shipped('configs') / '_base_/models/faster-rcnn_r18_fpn_small.py'
    cfg = Config(dict(model=Config.fromfile(base).model))
    cfg.merge_from_dict(
        {
            'model.backbone.base_channels': 8,
            'model.backbone.stem_channels': 8,
            'model.neck.in_channels': [8, 16, 32, 64],
            'model.neck.out_channels': 8,
            'model.rpn_head.in_channels': 8,
            'model.rpn_head.feat_channels': 8,
            'model.roi_head.bbox_roi_extractor.out_channels': 8,
            'model.roi_head.bbox_head.in_channels': 8,
            'model.roi_head.bbox_head.fc_out_channels': 8,
            'model.roi_head.bbox_head.num_classes': 2,
            'model.test_cfg.rcnn.score_thr': 0.0,
        }
    )
    cfg.test_dataloader = dict(
        dataset=dict(
            type='CocoDataset',
            metainfo=dict(classes=CLASSES),
            pipeline=PIPELINE,
        )
    )
    return cfg


@functools.cache
def weights():
    torch.manual_seed(0)
    return MODELS.build(copy.deepcopy(config().model)).state_dict()


def judge(meta=None, classes=CLASSES, state_dict=None, cfg=None):
    return Judge(
        copy.deepcopy(cfg or config()),
        weights() if state_dict is None else state_dict,
        meta or {},
        classes,
        'judge.pth',
    )


def images(n=3, size=(64, 48)):
    rng = np.random.RandomState(0)
    return [rng.randint(0, 256, (*size, 3)).astype(np.uint8) for _ in range(n)]


def test_against_mmdets_inference(monkeypatch):
    monkeypatch.setattr('mmdet_ddpm_moco.evaluation.judge.BATCH', 2)
    made = judge()
    found = list(made.detect(iter(images())))
    assert len(found) == 3
    made.model.cfg = config()
    for image, detections in zip(images(), found):
        expected = inference_detector(made.model, image).pred_instances
        assert len(expected) > 0
        assert detections.labels.tolist() == expected.labels.tolist()
        np.testing.assert_allclose(
            detections.boxes, expected.bboxes, atol=0.01
        )
        np.testing.assert_allclose(
            detections.scores, expected.scores, atol=1e-4
        )


def test_labels_are_those_of_the_bank():
    (plain,) = judge().detect(images(1))
    (swapped,) = judge(classes=CLASSES[::-1]).detect(images(1))
    assert swapped.labels.tolist() == (1 - plain.labels).tolist()
    # The checkpoint's class names take precedence over the config's.
    meta = dict(dataset_meta=dict(classes=CLASSES[::-1]))
    (renamed,) = judge(meta, CLASSES).detect(images(1))
    assert renamed.labels.tolist() == (1 - plain.labels).tolist()


@pytest.mark.parametrize(
    'meta, known',
    [
        ({}, 'dent, scratch'),
        (dict(dataset_meta=dict(classes=('a', 'b', 'c'))), 'a, b, c'),
    ],
)
def test_other_classes(meta, known):
    with pytest.raises(
        ValueError, match=r'judge\.pth has the classes'
    ) as error:
        judge(meta, ('dent', 'pit'))
    assert known in str(error.value) and 'dent, pit' in str(error.value)


def test_classes_of_a_registered_data_set():
    cfg = copy.deepcopy(config())
    cfg.test_dataloader = dict(
        dataset=dict(
            type='RepeatDataset',
            times=1,
            dataset=dict(
                type='mmdet_ddpm_moco.NEUDETDataset', pipeline=PIPELINE
            ),
        )
    )
    with pytest.raises(ValueError, match='has the classes crazing, incl'):
        judge(cfg=cfg)


def changed(how):
    state_dict = dict(weights())
    key = 'roi_head.bbox_head.fc_cls.weight'
    if how == 'missing':
        del state_dict[key]
    elif how == 'shape':
        state_dict[key] = state_dict[key][:-1]
    else:
        state_dict = {f'model.{k}': v for k, v in state_dict.items()}
    return state_dict


@pytest.mark.parametrize('how', ['missing', 'shape', 'names'])
def test_weights_that_do_not_fit(how):
    with pytest.raises(ValueError, match=r'judge\.pth do not fit') as error:
        judge(state_dict=changed(how))
    assert '\n' not in str(error.value)


def test_classes_of_a_data_set(tmp_path):
    """As mmdet reads them: given, of a file, or of the type."""
    (tmp_path / 'classes.txt').write_text('dent\nscratch\n')
    kind = dict(type='VOCDataset')
    for given in (CLASSES, list(CLASSES), str(tmp_path / 'classes.txt')):
        found = dataset_classes(dict(kind, metainfo=dict(classes=given)))
        assert found == CLASSES
    assert dataset_classes(kind) == VOCDataset.METAINFO['classes']
    assert dataset_classes(dict(type=VOCDataset)) == dataset_classes(kind)


def test_classes_in_another_order_than_in_the_file(tmp_path):
    """mmdet numbers them in the order of the file."""
    cfg = copy.deepcopy(config())
    dataset = cfg.test_dataloader.dataset
    dataset.update(data_root=str(tmp_path), ann_file='test.json')
    # Not there: nothing to compare with.
    assert class_names(cfg, {}) == CLASSES
    names = ('dirt', *CLASSES)
    write_json(
        tmp_path / 'test.json',
        dict(categories=[dict(id=i, name=n) for i, n in enumerate(names)]),
    )
    assert class_names(cfg, {}) == CLASSES
    with pytest.raises(ValueError, match='in the order of the file'):
        class_names(cfg, dict(dataset_meta=dict(classes=CLASSES[::-1])))


def test_a_preprocessor_beside_the_model_is_used():
    """As MMEngine's Runner does."""
    cfg = copy.deepcopy(config())
    expected = [found.boxes for found in judge().detect(images())]
    cfg.data_preprocessor = cfg.model.pop('data_preprocessor')
    for boxes, found in zip(expected, judge(cfg=cfg).detect(images())):
        np.testing.assert_array_equal(found.boxes, boxes)


def test_a_detector_of_gray_images_gets_gray_ones():
    cfg = copy.deepcopy(config())
    cfg.model.backbone.in_channels = 1
    cfg.model.data_preprocessor.update(
        mean=[100.0], std=[50.0], bgr_to_rgb=False
    )
    cfg.test_dataloader.dataset.pipeline[0].color_type = 'grayscale'
    model = MODELS.build(copy.deepcopy(cfg.model))
    shapes = []
    own = judge(cfg=cfg, state_dict=model.state_dict())
    own.model.backbone.register_forward_pre_hook(
        lambda _, inputs: shapes.append(inputs[0].shape[1])
    )
    assert len(list(own.detect(images()))) == len(images())
    assert set(shapes) == {1}
