import json
import logging

import pytest
import torch
from diffusers import DDPMPipeline
from safetensors.torch import load_file, save_file

from helpers.tiny_banks import (
    CLASSES,
    UNET,
    files_of,
    random_unet,
    v_schedule,
    write_generator,
)
from mmdet_ddpm_moco.models.ddpm import DefectDDPM
from mmdet_ddpm_moco.models.noise_schedule import build_schedule
from mmdet_ddpm_moco.synthesis.generator import load_generator, save_generator

WEIGHTS = 'unet/diffusion_pytorch_model.safetensors'


@pytest.fixture
def folder(tmp_path):
    return write_generator(tmp_path / 'generator')


def assert_same_weights(unet, other):
    found, expected = unet.state_dict(), other.state_dict()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_round_trip(tmp_path):
    unet = random_unet(channels=3, num_classes=2, seed=4).train()
    schedule = v_schedule(num_train_timesteps=200, prediction_type='epsilon')
    folder = save_generator(
        tmp_path / 'deep' / 'generator',
        unet,
        schedule,
        classes=('pit', 'Rost'),
        window=96,
    )
    assert folder == tmp_path / 'deep' / 'generator'
    loaded = load_generator(str(folder))
    assert_same_weights(loaded.unet, unet)
    assert not loaded.unet.training
    assert loaded.classes == ('pit', 'Rost')
    assert loaded.window == 96
    assert loaded.channels == 3
    assert loaded.scheduler.config.num_train_timesteps == 200
    assert loaded.scheduler.config.prediction_type == 'epsilon'
    torch.testing.assert_close(
        loaded.scheduler.alphas_cumprod, schedule.alphas_cumprod
    )
    x = torch.randn(2, 7, 8, 8)
    with torch.no_grad():
        expected = unet(x, 5, class_labels=torch.tensor([0, 2])).sample
        found = loaded.unet(x, 5, class_labels=torch.tensor([0, 2])).sample
    # Another memory layout rounds differently.
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_loaded_generator_is_saved_as_it_was(folder, tmp_path):
    loaded = load_generator(folder)
    again = save_generator(
        tmp_path / 'again',
        loaded.unet,
        loaded.scheduler,
        classes=loaded.classes,
        window=loaded.window,
    )
    assert (again / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()
    # It goes on in the layout that it had.
    weight = loaded.unet.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


def test_diffusers_loads_the_folder(folder):
    pipeline = DDPMPipeline.from_pretrained(folder)
    assert_same_weights(pipeline.unet, random_unet())
    assert pipeline.scheduler.config.prediction_type == 'v_prediction'
    assert pipeline.unet.config.num_class_embeds == len(CLASSES) + 1


@pytest.mark.parametrize('levels', [1, 2, 3])
def test_sides_are_multiples_of_the_downsampling(tmp_path, levels):
    shape = dict(
        block_out_channels=(8,) * levels,
        down_block_types=('DownBlock2D',) * levels,
        up_block_types=('UpBlock2D',) * levels,
    )
    unet = random_unet(**shape)
    folder = save_generator(
        tmp_path / 'g', unet, v_schedule(), classes=CLASSES, window=32
    )
    multiple = load_generator(folder).multiple
    assert multiple == 2 ** (levels - 1)

    def runs(side):
        x = torch.zeros(1, 3, side, side)
        try:
            with torch.no_grad():
                out = unet(x, 0, class_labels=torch.tensor([0])).sample
        except RuntimeError:
            return False
        return out.shape[-1] == side

    assert runs(3 * multiple)
    assert levels == 1 or not runs(3 * multiple + 1)


def test_the_fingerprint_is_of_contents(tmp_path, folder):
    base = load_generator(folder).fingerprint
    assert len(base) == 16
    assert int(base, 16) >= 0
    again = write_generator(tmp_path / 'elsewhere' / 'copy')
    assert load_generator(again).fingerprint == base
    folder.rename(tmp_path / 'moved')
    assert load_generator(tmp_path / 'moved').fingerprint == base


@pytest.mark.parametrize(
    'changes',
    [
        dict(seed=1),
        dict(window=48),
        dict(classes=('dent', 'scratch', 'pit')),
    ],
)
def test_the_fingerprint_tells_generators_apart(tmp_path, folder, changes):
    base = load_generator(folder).fingerprint
    other = write_generator(tmp_path / 'other', **changes)
    assert load_generator(other).fingerprint != base


def test_the_fingerprint_sees_one_weight_and_the_schedule(tmp_path, folder):
    base = load_generator(folder).fingerprint
    weights = load_file(folder / WEIGHTS)
    weights['conv_out.bias'] += 1e-6
    save_file(weights, folder / WEIGHTS, metadata={'format': 'pt'})
    changed = load_generator(folder).fingerprint
    assert changed != base
    schedule = v_schedule(prediction_type='sample')
    other = save_generator(
        tmp_path / 'b', random_unet(), schedule, classes=CLASSES, window=32
    )
    assert load_generator(other).fingerprint not in (base, changed)


def test_an_older_export_is_replaced_completely(tmp_path):
    folder = write_generator(tmp_path / 'generator')
    (folder / 'unet' / 'left-over.json').write_text('{}')
    write_generator(folder, seed=1)
    fresh = write_generator(tmp_path / 'fresh', seed=1)
    assert files_of(folder) == files_of(fresh)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {'generator', 'fresh'}


def test_an_unfinished_export_is_overwritten(tmp_path):
    left = tmp_path / 'generator.unfinished' / 'unet'
    left.mkdir(parents=True)
    (left / 'half.json').write_text('{')
    folder = write_generator(tmp_path / 'generator')
    assert not (folder / 'unet' / 'half.json').exists()
    assert [path.name for path in tmp_path.iterdir()] == ['generator']


def test_a_failed_export_keeps_the_older_one(tmp_path, folder, monkeypatch):
    before = files_of(folder)

    def full_disk(*args, **kwargs):
        raise OSError('no space left on device')

    monkeypatch.setattr(DDPMPipeline, 'save_pretrained', full_disk)
    with pytest.raises(OSError, match='no space'):
        write_generator(folder, seed=1)
    assert files_of(folder) == before


def test_an_export_that_is_killed_last_keeps_one(
    tmp_path, folder, monkeypatch
):
    """Between moving the old one away and the new one in."""
    expected = load_generator(folder).fingerprint
    newer = load_generator(write_generator(tmp_path / 'new', seed=1))
    kind = type(folder)

    def killed(self, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kind, 'replace', killed)
        patch.setattr(kind, 'rename', killed)
        with pytest.raises(KeyboardInterrupt):
            write_generator(folder, seed=1)
    assert load_generator(folder).fingerprint in (
        expected,
        newer.fingerprint,
    )


def one_line(error):
    message = str(error.value)
    assert '\n' not in message.strip()
    return message


def test_a_missing_generator(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        load_generator(tmp_path / 'none')
    message = one_line(error)
    assert str(tmp_path / 'none') in message
    assert 'tools/train.py' in message


def test_a_diffusers_folder_of_another_kind(tmp_path):
    DDPMPipeline(random_unet(), v_schedule()).save_pretrained(tmp_path / 'g')
    with pytest.raises(FileNotFoundError, match=r'defect_ddpm\.json'):
        load_generator(tmp_path / 'g')


def test_a_newer_format(folder):
    extra = folder / 'defect_ddpm.json'
    content = json.loads(extra.read_text())
    extra.write_text(json.dumps(dict(content, format_version=99)))
    with pytest.raises(ValueError) as error:
        load_generator(folder)
    message = one_line(error)
    assert 'format 99' in message
    assert 'upgrade' in message


def test_an_older_format(folder):
    """It was trained with another mask."""
    extra = folder / 'defect_ddpm.json'
    content = json.loads(extra.read_text())
    extra.write_text(json.dumps(dict(content, format_version=2)))
    with pytest.raises(ValueError) as error:
        load_generator(folder)
    message = one_line(error)
    assert 'format 2' in message
    assert 'train' in message


@pytest.mark.parametrize('dropout', [0, 0.1])
@pytest.mark.parametrize('conditioning', ['mask', 'class', 'none'])
def test_the_conditioning_is_recognized(tmp_path, conditioning, dropout):
    if conditioning == 'none' and dropout:
        return
    model = DefectDDPM(
        3, UNET, conditioning=conditioning, class_dropout=dropout
    )
    folder = save_generator(
        tmp_path / 'g', model.unet, model.scheduler, classes='abc', window=16
    )
    found = load_generator(folder)
    assert found.conditioning == conditioning
    assert found.null_label == (4 if dropout else None)


def test_a_sigmoid_schedule_survives(tmp_path):
    schedule = build_schedule(dict(beta_schedule='sigmoid'))
    folder = save_generator(
        tmp_path / 'g', random_unet(), schedule, classes='abc', window=16
    )
    found = load_generator(folder).scheduler
    assert torch.equal(found.alphas_cumprod, schedule.alphas_cumprod)


def truncate(path, keep=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def without_a_weight(path):
    weights = load_file(path)
    del weights['conv_out.weight']
    save_file(weights, path, metadata={'format': 'pt'})


def with_another_shape(path):
    weights = load_file(path)
    weights['conv_out.weight'] = weights['conv_out.weight'][:, :4].clone()
    save_file(weights, path, metadata={'format': 'pt'})


@pytest.mark.parametrize(
    ('name', 'damage'),
    [
        (WEIGHTS, truncate),
        (WEIGHTS, lambda path: truncate(path, 0.999)),
        (WEIGHTS, lambda path: truncate(path, 0)),
        (WEIGHTS, lambda path: path.unlink()),
        (WEIGHTS, without_a_weight),
        (WEIGHTS, with_another_shape),
        ('unet/config.json', truncate),
        ('unet/config.json', lambda path: path.unlink()),
        ('scheduler/scheduler_config.json', truncate),
        ('scheduler/scheduler_config.json', lambda path: path.unlink()),
        ('defect_ddpm.json', truncate),
        ('defect_ddpm.json', lambda path: path.write_text('{}')),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_a_damaged_generator_is_reported_in_one_line(folder, name, damage):
    damage(folder / name)
    logging.disable(logging.WARNING)
    try:
        with pytest.raises(ValueError) as error:
            load_generator(folder)
    finally:
        logging.disable(logging.NOTSET)
    message = one_line(error)
    assert str(folder) in message
    assert 'damaged' in message


def test_nothing_is_executed_or_fetched(folder, monkeypatch):
    """Neither is a pickle loaded nor the network used."""
    (folder / WEIGHTS).unlink()
    pickle = folder / 'unet' / 'diffusion_pytorch_model.bin'
    torch.save(random_unet().state_dict(), pickle)

    def refuse(*args, **kwargs):
        raise AssertionError('asked the network')

    monkeypatch.setattr('socket.socket.connect', refuse)
    monkeypatch.setattr('socket.getaddrinfo', refuse)
    with pytest.raises(ValueError, match='damaged'):
        load_generator(folder)


def test_the_settings_of_the_unet_are_kept(folder):
    config = load_generator(folder).unet.config
    assert tuple(config.block_out_channels) == UNET['block_out_channels']
    assert config.in_channels == 3
