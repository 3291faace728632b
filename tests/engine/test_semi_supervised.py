"""Bank and weights in mmdet's SoftTeacher, which holds two detectors."""

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from helpers.tiny_detection import (
    LOAD,
    SIZE,
    augmented,
    coco,
    dumped_config,
    faster_rcnn,
    hook,
)
from helpers.tiny_runs import log_of
from mmdet_ddpm_moco.engine.pipelines import config_pipelines

BRANCHES = ['sup', 'unsup_teacher', 'unsup_student']
META = (
    'img_id',
    'img_path',
    'ori_shape',
    'img_shape',
    'scale_factor',
    'flip',
    'homography_matrix',
)
RESIZE = dict(type='Resize', scale=(SIZE, SIZE), keep_ratio=True)
PACK = dict(type='PackDetInputs', meta_keys=META)


@HOOKS.register_module()
class KeepDetectorsHook(Hook):
    """Records both backbones and the labeled boxes of the first batch."""

    priority = 'LOWEST'
    states = boxes = None

    def before_run(self, runner):
        KeepDetectorsHook.states = None

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if KeepDetectorsHook.states is None:
            KeepDetectorsHook.states = [
                {k: v.clone() for k, v in part.backbone.state_dict().items()}
                for part in (runner.model.student, runner.model.teacher)
            ]
            KeepDetectorsHook.boxes = {
                branch: [len(s.gt_instances) for s in samples if s is not None]
                for branch, samples in data_batch['data_samples'].items()
            }


def soft_teacher(data, work_dir, hooks, *, skip_buffer=False):
    """A run of SoftTeacher on images that are labeled and unlabeled alike."""
    detector = faster_rcnn()
    labeled = coco(
        data,
        [
            RESIZE,
            dict(type='MultiBranch', branch_field=BRANCHES, sup=PACK),
        ],
    )
    unlabeled = dict(
        coco(data),
        pipeline=[
            LOAD[0],
            dict(type='LoadEmptyAnnotations'),
            dict(
                type='MultiBranch',
                branch_field=BRANCHES,
                unsup_teacher=[RESIZE, PACK],
                unsup_student=[RESIZE, PACK],
            ),
        ],
    )
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(
                type='SoftTeacher',
                detector=detector,
                data_preprocessor=dict(
                    type='MultiBranchDataPreprocessor',
                    data_preprocessor=detector.data_preprocessor,
                ),
                semi_train_cfg=dict(
                    freeze_teacher=True,
                    sup_weight=1.0,
                    unsup_weight=1.0,
                    pseudo_label_initial_score_thr=0.0,
                    rpn_pseudo_thr=0.0,
                    cls_pseudo_thr=0.0,
                    reg_pseudo_thr=1.0,
                    jitter_times=2,
                    jitter_scale=0.06,
                    min_pseudo_bbox_wh=(1e-2, 1e-2),
                ),
                semi_test_cfg=dict(predict_on='teacher'),
            ),
            work_dir=str(work_dir),
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(
                    type='GroupMultiSourceSampler',
                    batch_size=2,
                    source_ratio=[1, 1],
                ),
                dataset=dict(
                    type='ConcatDataset', datasets=[labeled, unlabeled]
                ),
            ),
            train_cfg=dict(by_epoch=False, max_iters=2),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-4)),
            custom_hooks=[
                *hooks,
                dict(type='MeanTeacherHook', skip_buffer=skip_buffer),
                dict(type='KeepDetectorsHook'),
            ],
            log_processor=dict(by_epoch=False),
            experiment_name=f'semi_{skip_buffer}',
        )
    )


@pytest.mark.parametrize('skip_buffer', [False, True])
def test_weights_reach_both_and_defects_the_labeled_branch(
    tmp_path, data, bank, source, skip_buffer
):
    checkpoint, weights = source
    cfg = soft_teacher(
        data,
        tmp_path / 'run',
        [hook(bank=bank, checkpoint=checkpoint, prob=1.0, max_windows=1)],
        skip_buffer=skip_buffer,
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    for state in KeepDetectorsHook.states:
        assert state.keys() == weights.keys()
        for key, value in weights.items():
            assert torch.equal(state[key], value), key
    # One labeled defect and one of the bank; none where there are no labels.
    assert KeepDetectorsHook.boxes == dict(
        sup=[2], unsup_teacher=[0], unsup_student=[0]
    )
    dumped = dumped_config(runner)
    pipelines = list(config_pipelines(dumped.train_dataloader))
    assert [len(augmented(p)) for p in pipelines] == [1, 0]
    # Batch norm statistics of its teacher would stay those of the file.
    warned = 'set skip_buffer=False' in log_of(runner)
    assert warned == skip_buffer
