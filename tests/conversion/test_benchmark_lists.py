"""The list files of the benchmark on NEU-DET."""

import re
from pathlib import Path

import pytest

from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.splits import SPLITS

BENCHMARK = Path(__file__).parents[2] / 'benchmarks' / 'neu_det'


@pytest.mark.parametrize(
    ('split', 'first', 'last'),
    [('train', 1, 150), ('val', 151, 190), ('test', 191, 240)],
)
def test_benchmark_lists_of_neu_det(split, first, last):
    text = (BENCHMARK / f'{split}.txt').read_text()
    comment, *listed = text.removesuffix('\n').split('\n')
    assert re.match(rf'# .*numbers {first} to {last} of each class', comment)
    classes = (
        'crazing', 'inclusion', 'patches', 'pitted_surface',
        'rolled-in_scale', 'scratches',
    )  # fmt: skip
    assert listed == [
        f'{name}_{number}.jpg'
        for name in classes
        for number in range(first, last + 1)
    ]


@pytest.mark.slow
def test_neu_det_as_the_benchmark_splits_it(neu_det_root, tmp_path):
    report = convert_dataset(neu_det_root, tmp_path, lists=BENCHMARK)
    sizes = {split: report.counts[split]['images'] for split in SPLITS}
    assert sizes == dict(train=900, val=240, test=300)
    assert 'unlisted_image' not in report.findings
    # Numbers follow the strips, so hardly any is cut by the lists.
    across = report.groups['across']
    assert 0 < across['train_val']['val'] < 50
    assert across['train_test']['test'] < 5
