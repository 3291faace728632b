"""Runs on the real dataset where NEU_DET_ROOT names its folder."""

import json

import pytest
from pycocotools.coco import COCO

from mmdet_ddpm_moco.conversion.convert import convert_dataset

CLASSES = [
    'crazing',
    'inclusion',
    'patches',
    'pitted_surface',
    'rolled-in_scale',
    'scratches',
]
SHARES = dict(train=168, val=24, test=48)


@pytest.mark.slow
def test_neu_det(neu_det_root, tmp_path):
    report = convert_dataset(neu_det_root, tmp_path, few_shot=[10, 20, 40])
    counts = {kind: len(found) for kind, found in report.findings.items()}
    assert counts == dict(
        filename_differs=174, duplicate_box=3, difficult_object=57
    )
    assert len({file for file, _ in report.findings['duplicate_box']}) == 3
    home, boxes = {}, 0
    for split, share in SHARES.items():
        coco = COCO(tmp_path / 'annotations' / f'{split}.json')
        assert [entry['name'] for entry in coco.cats.values()] == CLASSES
        assert len(coco.imgs) == 6 * share
        boxes += len(coco.anns)
        for kind in CLASSES:
            names = [image['file_name'] for image in coco.imgs.values()]
            found = sum(name.startswith(kind) for name in names)
            # The main class of some images is not that of their name.
            assert abs(found - share) <= 5
        for image in coco.imgs.values():
            assert image['width'] == image['height'] == 200
            assert home.setdefault(image['group'], split) == split
    assert boxes == 3335 - 3
    # Hundreds of images overlap; no single group holds most of a class.
    assert report.groups['images'] > 1000
    assert report.groups['largest'][0]['size'] < 120
    for shot in (10, 20, 40):
        path = tmp_path / 'annotations' / f'train_{shot}.json'
        assert len(json.loads(path.read_text())['images']) == 6 * shot
