"""The measured recipe on a GPU: which tools it calls."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from benchmarks.gpu import full
from benchmarks.gpu.results import Results
from mmdet_ddpm_moco.utils.paths import shipped


def test_the_full_part_on_a_gpu(monkeypatch, tmp_path):
    """Which tools it calls, with what: the tools themselves are not run."""
    root, work = shipped('tools').parent, tmp_path / 'work'
    runs = work / 'work_dirs' / full.RECIPE
    runs.mkdir(parents=True)
    (runs / 'last_checkpoint').write_text(str(runs / 'iter_2880.pth'))
    (work / 'data.json').write_text(
        json.dumps(dict(what='NEU-DET', source='somewhere'))
    )
    called, converted = [], []

    class Started:
        def __init__(self, command, **_):
            called.append([str(word) for word in command[1:]])

        def wait(self):
            return 0

    def run(command, log):
        called.append([str(word) for word in command])
        return 5.0, 'coco/bbox_mAP: 0.4210  coco/bbox_mAP_50: 0.7770'

    monkeypatch.setattr(full, 'run', run)
    monkeypatch.setattr(full, 'convert', lambda *args: converted.append(args))
    monkeypatch.setattr(full.subprocess, 'Popen', Started)
    monkeypatch.setattr(full.time, 'sleep', lambda seconds: None)
    (tmp_path / 'logs').mkdir()
    results = Results(tmp_path)
    assert full.run_full(results, 'cuda', root, work)
    tools = [command[0].rsplit('/', 1)[1] for command in called]
    tests = ['test.py'] * 2  # with one view, and with flips
    assert tools == ['train.py', *tests, *['ablation.py'] * 4]
    assert Path(called[0][1]).is_file()  # the config
    tested = [called[0][1], str(runs / 'iter_2880.pth')]
    assert [called[1][1:], called[2][1:]] == [tested, [*tested, '--tta']]
    assert (work / 'benchmarks/neu_det/from_scratch.py').is_file()
    variants = (work / 'benchmarks/neu_det/variants').glob('scratch_*.py')
    assert all('model' in Config.fromfile(file) for file in variants)
    assert [str(x) for x in converted[0][1:3]] == [
        'somewhere',
        str(work / 'data/NEU-DET-benchmark'),
    ]
    values = {row['name']: row['value'] for row in results.rows('full')}
    for view in ('', ', with flips'):
        found = values[f'recipe: AP of the test split{view}']
        assert found == pytest.approx(42.1)
