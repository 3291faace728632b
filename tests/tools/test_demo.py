"""The table and the picture of the demo; nothing is trained."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from mmdet_ddpm_moco.engine import comparison, detector_runs
from mmdet_ddpm_moco.engine.comparison import compare_detections
from mmdet_ddpm_moco.utils.paths import shipped


@pytest.mark.slow
def test_the_demo_compares_its_variants_with_and_without_flips(
    tmp_path, monkeypatch, capsys
):
    """Fake detectors: the baseline finds every other defect."""

    def detect(file, checkpoint, detections, *, tta=False):
        variant = file.stem.removeprefix('faster-rcnn_')
        truth = json.loads(
            Path('data/demo/annotations/test.json').read_bytes()
        )
        step = 2 if variant == 'baseline' else 1
        detections.parent.mkdir(parents=True, exist_ok=True)
        found = [
            dict(
                image_id=a['image_id'],
                category_id=a['category_id'],
                bbox=a['bbox'],
                score=0.9,
            )
            for a in truth['annotations'][::step]
        ]
        detections.write_text(json.dumps(found))
        log = f'coco/bbox_mAP: 0.{4 + tta}21  coco/bbox_mAP_50: 0.{7 + tta}77'
        detections.with_name('test.log').write_text(log)

    compared = []

    def compare(cfg, before, after, picture):
        compared.append((str(before), str(after)))
        return compare_detections(cfg, before, after, picture)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparison, 'compare_detections', compare)
    monkeypatch.setattr(detector_runs, 'detect', detect)
    monkeypatch.setattr(
        detector_runs,
        'train_to_end',
        lambda config, **_: Path(Config.fromfile(config).work_dir),
    )
    monkeypatch.setattr(sys, 'argv', ['tools/demo.py'])
    runpy.run_path(str(shipped('tools') / 'demo.py'), run_name='__main__')
    shown = capsys.readouterr().out
    names = ('baseline', 'scenes-kinds', 'scenes-kinds_ddpm')
    rows = [line.split() for line in shown.splitlines()]
    head = ['AP', 'AP50', 'AP', 'flips', 'AP50', 'flips']
    starts = [i + 1 for i, row in enumerate(rows) if row == head]
    # A table after each of them: the first comparison comes early.
    for number, start in enumerate(starts, 1):
        assert rows[start : start + number] == [
            [name, '42.1', '77.7', '52.1', '87.7'] for name in names[:number]
        ]
    assert number == len(names)
    demo = Path('work_dirs/demo')
    results = json.loads((demo / 'results.json').read_bytes())
    assert results['baseline']['AP flips'] == 52.1
    for name in names[1:]:
        folder = demo / f'faster-rcnn_{name}'
        assert (folder / 'gains.png').is_file()
    # The whole recipe, flips among it, against nothing of it.
    before = f'{demo}/faster-rcnn_baseline/detections.bbox.json'
    assert compared == [
        (before, f'{demo}/faster-rcnn_{name}/detections_tta.bbox.json')
        for name in names[1:]
    ]
