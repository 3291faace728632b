"""tools/test.py and checkpoints, untrusted ones included."""

import io
import os
import pickle
import runpy
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import METRICS, MODELS

from helpers import tiny_runs
from mmdet_ddpm_moco.engine import training
from mmdet_ddpm_moco.engine.training import test as evaluate
from mmdet_ddpm_moco.utils.paths import shipped


@METRICS.register_module()
class MeanScore(tiny_runs.NoMetric):
    def process(self, data_batch, data_samples):
        self.results += [score.item() for score in data_samples]

    def compute_metrics(self, results):
        return dict(score=sum(results) / len(results))


CONFIG = """
default_scope = 'mmengine'
model = dict(
    type='TinyDetector',
    backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8))
test_dataloader = dict(
    batch_size=4,
    dataset=dict(type='TinyImages'),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_cfg = dict()
test_evaluator = dict(type='MeanScore')
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'detector.py'
    path.write_text(CONFIG + f'work_dir = {str(tmp_path / "work")!r}\n')
    return path


class Call:
    """Pickles as a call."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def write_with_code(path, code):
    """A checkpoint whose code hides in what a log history may call.

    ``getattr`` gives the module of ``getattr``; setting an attribute of that
    makes the next ``getattr`` an ``eval``.
    """
    module = (getattr, (getattr, '__self__'))
    replaced = {'getattr': Call(getattr, (Call(*module), 'eval'))}
    log = [Call(*module, (None, replaced)), Call(getattr, (code,))]
    data = io.BytesIO()
    # The C pickler would write `getattr` once and refer to it afterwards.
    pickler = pickle._Pickler(data, 2)
    pickler.fast = True
    plain = path.with_suffix('.plain')
    torch.save(dict(state_dict={}), plain)
    pickler.dump(dict(state_dict={}, message_hub=log))
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, 'w') as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename.endswith('data.pkl'):
                content = data.getvalue()
            new.writestr(info, content)


def run(load):
    """Loads a checkpoint in a process of its own, which it may change."""
    script = textwrap.dedent(load)
    paths = [str(Path(__file__).parents[1]), os.environ.get('PYTHONPATH')]
    return subprocess.run(
        [sys.executable, '-c', script],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join(filter(None, paths)),
        },
    )


@pytest.mark.slow
def test_code_in_a_checkpoint_is_not_run(tmp_path, config):
    ran = tmp_path / 'ran'
    checkpoint = tmp_path / 'untrusted.pth'
    write_with_code(checkpoint, f'open({str(ran)!r}, "w").close()')
    done = run(
        f"""
        import test_testing
        from mmengine.config import Config
        from mmdet_ddpm_moco.engine.training import test
        test(Config.fromfile({str(config)!r}), {str(checkpoint)!r})
        """,
    )
    assert not ran.exists()
    assert 'holds no weights' in done.stderr
    # The file is an attack: what the above does not do would run it.
    run(
        f"""
        import torch
        torch.load({str(checkpoint)!r}, weights_only=False)
        """,
    )
    assert ran.exists()


def test_the_weights_that_are_tested_are_those_of_the_file(tmp_path, config):
    cfg = Config.fromfile(config)
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(tiny_runs.random_weights(model))
    checkpoint = tmp_path / 'epoch_1.pth'
    meta = dict(epoch=1)
    torch.save(dict(state_dict=model.state_dict(), meta=meta), checkpoint)
    images = [tiny_runs.TinyImages()[i]['inputs'] for i in range(4)]
    with torch.no_grad():
        expected = model(images)[0].item()
    metrics, results = evaluate(cfg, checkpoint)
    assert metrics['score'] == pytest.approx(expected, rel=1e-5)
    assert results is None


def test_a_config_that_a_resumed_run_wrote(tmp_path, config):
    """The weights that are passed on have no iteration to resume from."""
    cfg = Config.fromfile(config)
    cfg.resume = True
    model = MODELS.build(cfg.model)
    checkpoint = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    assert 'score' in evaluate(cfg, checkpoint)[0]


@pytest.mark.parametrize('name', ['none.pth', ''])
def test_a_checkpoint_that_is_not_there(tmp_path, config, name):
    with pytest.raises(FileNotFoundError):
        evaluate(Config.fromfile(config), tmp_path / name)


def test_an_evaluator_that_writes_no_detections(tmp_path, config):
    with pytest.raises(ValueError, match='CocoMetric') as error:
        evaluate(
            Config.fromfile(config),
            tmp_path / 'weights.pth',
            tmp_path / 'detections',
        )
    assert 'MeanScore' in str(error.value)


def test_the_config_of_the_training_stays_as_it_is(tmp_path, config):
    cfg = Config.fromfile(config)
    cfg.launcher = 'none'
    model = MODELS.build(cfg.model)
    checkpoint = tiny_runs.save(model.state_dict(), tmp_path / 'w.pth')
    trained = tmp_path / 'work' / config.name
    trained.parent.mkdir()
    trained.write_text('what was trained')
    evaluate(cfg, checkpoint)
    assert trained.read_text() == 'what was trained'
    tested = Config.fromfile(trained.with_name('detector_test.py'))
    assert tested.model == cfg.model
    assert cfg.filename == str(config)


@pytest.mark.parametrize('out', ['.', 'weights.pth/found.json'])
def test_an_out_that_cannot_be_written_is_told_before_the_test(
    tmp_path, config, monkeypatch, capsys, out
):
    (tmp_path / 'weights.pth').write_bytes(b'')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, 'test', lambda *_: pytest.fail('it ran'))
    tool = str(shipped('tools') / 'test.py')
    args = [str(config), 'weights.pth', '--out', out]
    monkeypatch.setattr(sys, 'argv', [tool, *args])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(tool)['main']()
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: {out} ')
