"""mmagic's runner samples our generator, and its FID and IS score it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from helpers.mmagic_sampling import (
    BATCH,
    SIZE,
    as_bgr,
    sampler,
    small_extractor,
)
from helpers.mmagic_stack import need_mmagic
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.evaluation.features import extract
from mmdet_ddpm_moco.evaluation.fidelity import (
    frechet_distance,
    inception_score,
)
from mmdet_ddpm_moco.evaluation.windows import (
    find_hosts,
    real_windows,
    synthesized_windows,
)
from mmdet_ddpm_moco.synthesis import gates, run
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.run import synthesize_bank

need_mmagic()

from mmdet_ddpm_moco import RealDefectWindows  # noqa: E402

CONFIG = (
    Path(__file__).parents[2] / 'configs/mmagic/ddpm_fid-is_neu-det-20shot.py'
)


class Keep(Hook):
    """Keeps what the loop samples."""

    def __init__(self):
        self.samples = []

    def after_test_iter(self, runner, batch_idx, data_batch, outputs):
        self.samples += outputs


def score(tmp_path, parts, num=8, splits=1, need_cond=False, **model):
    """The shipped config, small: the metrics, and what was sampled."""
    cfg = Config.fromfile(CONFIG)
    windows = dict(max_window=32, image_size=SIZE)
    images = {k: parts[k] for k in ('ann_file', 'img_prefix')}
    cfg.work_dir = str(tmp_path / 'work')
    cfg.experiment_name = f'score_{tmp_path.name}_{np.random.rand()}'
    cfg.model.update(
        generator=parts['generator'],
        num_inference_steps=2,
        **images,
        **windows,
    )
    cfg.model.update(model)
    cfg.test_dataloader.batch_size = BATCH
    cfg.test_dataloader.dataset.update(**images, **windows)
    for metric in cfg.test_evaluator.metrics:
        metric.update(
            fake_nums=num,
            need_cond_input=need_cond,
            inception_path=parts['extractor'],
        )
    fid, inception = cfg.test_evaluator.metrics
    fid.inception_pkl = str(tmp_path / 'work' / 'real_windows.pkl')
    inception.splits = splits
    runner = Runner.from_cfg(cfg)
    keep = Keep()
    runner.register_hook(keep)
    metrics = {}

    class Metrics(Hook):
        def after_test_epoch(self, runner, metrics=None):
            found.update(metrics)

    found = metrics
    runner.register_hook(Metrics())
    runner.test()
    return metrics, keep.samples


def test_the_runner_scores_as_we_do(tmp_path, parts):
    metrics, samples = score(tmp_path, parts, num=8)
    sampled = as_bgr(samples)[:8]
    data = LabeledImages(parts['ann_file'], parts['img_prefix'])
    real = [window.pixels for window in real_windows(data, 32)]
    extractor = small_extractor()
    features, logits = extract(extractor, sampled, 'sampled')
    expected = frechet_distance(features, extract(extractor, real, 'real')[0])
    assert metrics['fid'] == pytest.approx(expected, rel=1e-3)
    assert metrics['fid'] > 0.01
    expected = inception_score(logits)['inception_score']
    assert metrics['is'] == pytest.approx(expected, rel=1e-4)


def test_it_samples_the_windows_of_a_bank(tmp_path, parts, monkeypatch):
    """The n-th sample is window n that synthesis makes with the same seed."""
    monkeypatch.setattr(run, 'BLOCK', BATCH)
    # Noise has seams everywhere, and resembles other noise.
    monkeypatch.setattr(gates, 'seam', lambda *_: 0.0)
    monkeypatch.setattr(gates.SeenDefects, 'is_copy', lambda *_: False)
    _, samples = score(tmp_path, parts, num=8, seed=5)
    images = parts['ann_file'], parts['img_prefix']
    synthesize_bank(
        load_generator(parts['generator']),
        *images,
        tmp_path / 'bank',
        num=8,
        seed=5,
        max_window=32,
        num_inference_steps=2,
        mix=dict(add=1.0),
        strength=1.0,
    )
    bank, data = DefectBank(tmp_path / 'bank'), LabeledImages(*images)
    hosts = find_hosts(bank, data)
    windows = synthesized_windows(bank, hosts, data)
    ours = {
        window.number: (window, cut)
        for (window, _), cut in zip(hosts, windows, strict=True)
    }
    assert [s.metainfo['number'] for s in samples[:8]] == list(range(8))
    compared = 0
    for sample in samples[:8]:
        if sample.metainfo['number'] not in ours:
            continue  # rejected by the bank
        window, cut = ours[sample.metainfo['number']]
        assert sample.metainfo['window'] == list(window.window)
        assert sample.gt_label.label.item() == window.label
        made = bgr_square_by_hand(cut.pixels)
        assert np.array_equal(as_bgr([sample])[0], made)
        compared += 1
    assert compared >= 6


def bgr_square_by_hand(pixels):
    import cv2

    shrinks = max(pixels.shape[:2]) > SIZE
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(pixels, (SIZE, SIZE), interpolation=way)


def test_conditions_have_the_classes_of_real_windows(tmp_path, parts):
    """With need_cond_input, a class without real windows is not sampled."""
    content = json.loads(Path(parts['ann_file']).read_text())
    kept = [a for a in content['annotations'] if a['category_id'] != 2]
    content['annotations'] = kept
    real = Path(parts['ann_file']).with_name('real.json')
    real.write_text(json.dumps(content))
    data = RealDefectWindows(str(real), parts['img_prefix'], 32, SIZE)
    assert {data.get_data_info(i)['gt_label'][0] for i in range(3)} == {0, 2}
    metrics, samples = score(tmp_path, parts, num=8, need_cond=True)
    assert np.isfinite([metrics['fid'], metrics['is']]).all()
    assert {int(s.gt_label.label) for s in samples} <= {0, 1, 2}


class TestDistanceOfKnownSets:
    """mmagic's FID by its evaluator, of sets that are known."""

    def distance(self, tmp_path, parts, images):
        from mmagic.evaluation import FrechetInceptionDistance

        data = RealDefectWindows(
            parts['ann_file'], parts['img_prefix'], 32, SIZE
        )
        loader = torch.utils.data.DataLoader(data, batch_size=2)
        metric = FrechetInceptionDistance(
            fake_nums=len(images),
            inception_path=parts['extractor'],
            inception_pkl=str(tmp_path / f'{np.random.rand()}.pkl'),
        )
        metric.prepare(sampler(parts), loader)
        metric.process({}, [dict(fake_img=image) for image in images])
        return metric.evaluate()['fid']

    def test_a_set_and_itself(self, tmp_path, parts):
        data = RealDefectWindows(
            parts['ann_file'], parts['img_prefix'], 32, SIZE
        )
        real = [data[i]['data_samples'].gt_img.float() for i in range(5)]
        assert self.distance(tmp_path, parts, real) < 1e-3
        brighter = [(image + 40).clamp(0, 255) for image in real]
        assert self.distance(tmp_path, parts, brighter) > 0.1

    def test_real_windows_are_those_of_the_evaluation(self, parts):
        data = RealDefectWindows(
            parts['ann_file'], parts['img_prefix'], 32, SIZE, seed=3
        )
        images = LabeledImages(parts['ann_file'], parts['img_prefix'])
        expected = real_windows(images, 32, seed=3)
        assert len(data) == len(expected) == 5
        for i, window in enumerate(expected):
            sample = data[i]['data_samples']
            assert sample.gt_label.label.item() == window.label
            assert np.array_equal(
                sample.gt_img.permute(1, 2, 0).numpy(),
                bgr_square_by_hand(window.pixels),
            )
