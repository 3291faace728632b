"""Hashes of settings are compared between processes."""

import json
import subprocess
import sys
from pathlib import Path

from mmdet_ddpm_moco.utils.stable_json import stable_json


def test_plain_settings_are_plain_json():
    settings = dict(b=[1, 2.5, None], a=dict(d=True, c='text'))
    assert stable_json(settings) == json.dumps(settings, sort_keys=True)


def test_other_processes_write_the_same():
    """Functions in place of names, as in new-style configs, and classes."""
    code = (
        'from mmengine.dataset import default_collate, DefaultSampler\n'
        'from pathlib import Path\n'
        'from mmdet_ddpm_moco.utils.stable_json import stable_json\n'
        'print(stable_json(dict(type=default_collate, path=Path("a"),\n'
        '                       sampler=DefaultSampler)))\n'
    )
    texts = {
        subprocess.run(
            [sys.executable, '-c', code],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
        ).stdout
        for _ in range(2)
    }
    (text,) = texts
    assert 'default_collate"' in text
    assert '0x' not in text
