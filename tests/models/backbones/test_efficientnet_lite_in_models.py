"""EfficientNet-Lite0 from its package, in a detector and in MoCo."""

import copy
import math

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.structures import InstanceData

from helpers.tiny_moco import batch, build
from mmdet_ddpm_moco import EfficientNetLite
from mmdet_ddpm_moco.utils.paths import shipped

TYPE = 'mmdet_ddpm_moco.EfficientNetLite'
CHECKPOINT = 'package://efficientnet_lite0'
PRETRAINED = dict(type='Pretrained', checkpoint=CHECKPOINT)
CONFIG = shipped('configs') / '_base_/models/faster-rcnn_lite0_fpn_small.py'
STRIDES = (8, 16, 32)


def build_detector():
    cfg = Config.fromfile(CONFIG)
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(copy.deepcopy(cfg.model))
        detector.init_weights()
    return detector, cfg.model


class TestDetector:
    def test_starts_from_the_package(self):
        detector, _ = build_detector()
        weights = CheckpointLoader.load_checkpoint(CHECKPOINT)['state_dict']
        ours = detector.backbone.state_dict()
        # The head convolution is not built.
        assert len(ours) == len(weights) - 6
        assert all(torch.equal(v, weights[k]) for k, v in ours.items())
        assert all(p.requires_grad for p in detector.backbone.parameters())

    def test_input_is_rgb_from_minus_one_to_one(self):
        detector, _ = build_detector()
        bgr = torch.zeros(3, 200, 200, dtype=torch.uint8)
        bgr[0] = 255
        data = detector.data_preprocessor(
            dict(inputs=[bgr], data_samples=None)
        )
        # 200 is padded to 224, with gray.
        assert data['inputs'].shape == (1, 3, 224, 224)
        values = data['inputs'][0, :, :200, :200].mean((1, 2)).tolist()
        assert values == [-1, -1, 1]

    def test_every_part_agrees_on_the_strides(self):
        detector, cfg = build_detector()
        detector.eval()
        maps = detector.extract_feat(torch.zeros(1, 3, 224, 224))
        strides = [224 / m.shape[2] for m in maps[:3]]
        generator = detector.rpn_head.prior_generator
        extractor = detector.roi_head.bbox_roi_extractor
        assert strides == [*STRIDES] == extractor.featmap_strides
        assert generator.strides == [(s, s) for s in (*STRIDES, 64)]
        assert len(maps) == generator.num_levels == cfg.neck.num_outs == 4
        assert maps[3].shape[2:] == (4, 4)

    def test_anchors_cover_boxes_as_those_of_the_resnet_do(self):
        """Sides of 8 to 200 pixels, with fewer anchors."""
        torch.manual_seed(0)
        sides = 8 * (200 / 8) ** torch.rand(1500, 2)
        corners = torch.rand(1500, 2) * (200 - sides)
        boxes = torch.cat([corners, corners + sides], dim=1)
        number, coverage = {}, {}
        for net in ('lite0', 'r18'):
            path = CONFIG.with_name(f'faster-rcnn_{net}_fpn_small.py')
            cfg = Config.fromfile(path).model.rpn_head.anchor_generator
            # Not the scope that an earlier test left behind.
            generator = TASK_UTILS.build(dict(cfg, _scope_='mmdet'))
            anchors = torch.cat(
                generator.grid_priors(
                    [(math.ceil(224 / s),) * 2 for s, _ in generator.strides],
                    device='cpu',
                )
            )
            number[net] = len(anchors)
            coverage[net] = bbox_overlaps(boxes, anchors).amax(1).mean()
        assert number['lite0'] < 0.8 * number['r18']
        assert coverage['lite0'] > coverage['r18'] > 0.5

    def test_trains_and_predicts(self):
        torch.manual_seed(0)
        detector, _ = build_detector()
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(200, 200), ori_shape=(200, 200), scale_factor=(1, 1)
            ),
            gt_instances=InstanceData(
                bboxes=torch.tensor([[10.0, 20, 22, 90], [5, 5, 195, 190]]),
                labels=torch.tensor([0, 3]),
            ),
        )
        image = torch.randint(256, (3, 200, 200), dtype=torch.uint8)
        raw = dict(inputs=[image] * 2, data_samples=[sample] * 2)
        data = detector.train().data_preprocessor(raw, training=True)
        losses = detector(**data, mode='loss')
        loss, _ = detector.parse_losses(losses)
        loss.backward()
        assert loss.isfinite()
        stem = detector.backbone.layers[0].conv.weight
        assert stem.grad.abs().sum() > 0
        with torch.no_grad():
            found = detector.eval()(**data, mode='predict')
        assert found[0].pred_instances.bboxes.shape[1] == 4


class TestMoCo:
    def test_trains(self):
        model = build(
            initialize=True,
            backbone=dict(type=TYPE, out_indices=(5,), init_cfg=PRETRAINED),
            neck=dict(
                type='MoCoV2Neck',
                in_channels=320,
                hid_channels=16,
                out_channels=8,
            ),
        )
        assert isinstance(model.backbone, EfficientNetLite)
        weights = CheckpointLoader.load_checkpoint(CHECKPOINT)['state_dict']
        stem = model.backbone.layers[0].conv.weight
        assert torch.equal(stem, weights['layers.0.conv.weight'])
        for seed in range(2):  # the first batch fills the queue
            inputs, data = batch(4, seed=seed, size=64)
            loss = model(inputs, data, mode='loss')['loss']
        loss.backward()
        assert loss.isfinite()
        assert stem.grad.abs().sum() > 0
        # The key encoder, copied before the weights came, has them too.
        key_stem = model.encoder_k.module[0].layers[0].conv.weight
        assert torch.equal(key_stem, stem)
