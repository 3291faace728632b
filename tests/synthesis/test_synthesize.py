import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_banks import (
    CLASSES,
    OPTIONS,
    files_of,
    noise_image,
    write_generator,
    write_images,
)

from mmdet_ddpm_moco.datasets.compositing import crop
from mmdet_ddpm_moco.datasets.defect_bank import DefectBank
from mmdet_ddpm_moco.datasets.labelled_images import LabelledImages
from mmdet_ddpm_moco.synthesis import bank_writer, synthesize
from mmdet_ddpm_moco.synthesis.bank_writer import BankWriter
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.planning import WindowPlanner
from mmdet_ddpm_moco.synthesis.synthesize import (
    WindowPainter,
    bank_settings,
    synthesize_bank,
)


@pytest.fixture
def generator(tmp_path):
    return load_generator(write_generator(tmp_path / 'generator'))


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / 'data')


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(synthesize, 'BLOCK', 4)


@pytest.fixture
def no_unet(monkeypatch):
    """Paints the noise itself: a bank in milliseconds."""

    def noise_itself(
        unet, scheduler, image, mask, label, noise, *, steps, strength
    ):
        assert image.shape == noise.shape
        return noise.clamp(-1, 1)

    monkeypatch.setattr(synthesize, 'sample_windows', noise_itself)


def make(generator, images, out, num=6, **options):
    return synthesize_bank(
        generator, *images, out, num=num, **{**OPTIONS, **options}
    )


@pytest.mark.parametrize('channels', [1, 3])
def test_a_bank_is_put_back_where_it_came_from(tmp_path, channels):
    images = write_images(tmp_path / 'data', channels=channels)
    generator = load_generator(
        write_generator(tmp_path / 'generator', channels=channels)
    )
    manifest = make(generator, images, tmp_path / 'bank', num=12)
    assert manifest['kept'] == manifest['asked'] == 12
    bank = DefectBank(tmp_path / 'bank')
    assert len(bank) == 12
    assert bank.classes == CLASSES
    data = LabelledImages(*images, channels=3)
    sources = {}
    for number, image in enumerate(data.images):
        for window in bank.windows_of(image.path):
            sources[window.number] = number
            pixels, alpha = bank.read(window)
            source = crop(data.read(number), window.window)
            assert np.array_equal(pixels[alpha == 0], source[alpha == 0])
            assert (alpha == 0).any()
            changed = pixels[alpha == 255] != source[alpha == 255]
            assert changed.mean() > 0.5
    assert len(sources) == 12


def test_manifest_and_annotations_agree(tmp_path, generator, images):
    manifest = make(generator, images, tmp_path / 'bank', num=14)
    data = json.loads((tmp_path / 'bank' / 'annotations.json').read_text())
    assert len(data['images']) == manifest['kept'] == 14
    assert [c['name'] for c in data['categories']] == list(CLASSES)
    labels = {a['image_id']: a['category_id'] for a in data['annotations']}
    counted = {name: {} for name in (*CLASSES, 'background')}
    for image in data['images']:
        null = image['kind'] == 'null'
        assert null == (image['id'] not in labels)
        name = 'background' if null else CLASSES[labels[image['id']] - 1]
        kinds = counted[name]
        kinds[image['kind']] = kinds.get(image['kind'], 0) + 1
    assert counted == manifest['kinds']
    files = {p.name for p in (tmp_path / 'bank' / 'images').iterdir()}
    assert files == {image['file_name'] for image in data['images']}
    settings = bank_settings(generator, images[0], **OPTIONS)
    assert settings.items() <= manifest.items()
    assert manifest['generator'] == generator.fingerprint
    assert manifest['training_split']['ann_file'] == 'train.json'


def test_windows_are_those_planned(tmp_path, generator, images, no_unet):
    make(generator, images, tmp_path / 'bank', num=12, seed=5)
    data = LabelledImages(*images)
    planner = WindowPlanner(
        data, max_window=32, mix=synthesize.DEFAULT_MIX, seed=5
    )
    bank = DefectBank(tmp_path / 'bank')
    for i in range(len(bank)):
        window, plan = bank[i], planner.plan(bank[i].number)
        assert window.kind == plan.kind
        assert window.window == plan.window
        assert window.box == plan.box
        assert np.array_equal(bank.read(window)[1], plan.alpha)


def test_the_same_again(tmp_path, images):
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        generator = load_generator(write_generator(tmp_path / f'g-{name}'))
        torch.manual_seed(hash(name) % 1000)
        np.random.seed(len(name))
        make(generator, images, tmp_path / name, seed=seed)
    first = files_of(tmp_path / 'a')
    assert first == files_of(tmp_path / 'b')
    assert first != files_of(tmp_path / 'c')


def test_a_longer_bank_begins_with_the_shorter_one(
    tmp_path, generator, images
):
    make(generator, images, tmp_path / 'short', num=3)
    make(generator, images, tmp_path / 'long', num=7)
    short = files_of(tmp_path / 'short' / 'images')
    long = files_of(tmp_path / 'long' / 'images')
    assert len(short) == 3
    assert short.items() <= long.items()


class Killed(BaseException):
    pass


@pytest.mark.parametrize('block', [0, 1])
@pytest.mark.parametrize('after', [False, True])
def test_killed_between_blocks_and_gone_on_with(
    tmp_path, generator, images, monkeypatch, block, after
):
    make(generator, images, tmp_path / 'expected', num=10)
    write_block = BankWriter.write_block
    painted = []

    def killed(self, number, records, pictures):
        painted.append(number)
        if number == block and not after:
            raise Killed
        write_block(self, number, records, pictures)
        if number == block:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(BankWriter, 'write_block', killed)
        with pytest.raises(Killed):
            make(generator, images, tmp_path / 'bank', num=10)
    assert not (tmp_path / 'bank' / 'manifest.json').exists()
    resumed = []

    def watched(self, number, records, pictures):
        resumed.append(number)
        write_block(self, number, records, pictures)

    monkeypatch.setattr(BankWriter, 'write_block', watched)
    make(generator, images, tmp_path / 'bank', num=10)
    # Finished blocks are not sampled again.
    assert resumed[0] == block + after
    assert files_of(tmp_path / 'bank') == files_of(tmp_path / 'expected')


def killed_while_writing(monkeypatch, number):
    """The process is killed within its write with this number."""
    count = 0
    atomic, write_bytes = bank_writer.atomic_write_bytes, Path.write_bytes

    def due():
        nonlocal count
        count += 1
        return count == number

    def killed_atomic(path, data):
        if due():
            raise Killed
        atomic(path, data)

    def killed_plain(self, data):
        if due():
            write_bytes(self, data[: len(data) // 2])
            raise Killed
        return write_bytes(self, data)

    monkeypatch.setattr(bank_writer, 'atomic_write_bytes', killed_atomic)
    monkeypatch.setattr(Path, 'write_bytes', killed_plain)


def test_killed_within_any_write_and_gone_on_with(
    tmp_path, generator, images, monkeypatch, no_unet
):
    make(generator, images, tmp_path / 'expected', num=5)
    expected = files_of(tmp_path / 'expected')
    failed = {}
    for number in range(1, 100):
        out = tmp_path / f'bank{number}'
        try:
            with monkeypatch.context() as patch:
                killed_while_writing(patch, number)
                make(generator, images, out, num=5)
            break
        except Killed:
            pass
        try:
            make(generator, images, out, num=5)
        except ValueError as error:
            failed[number] = str(error)
            continue
        assert files_of(out) == expected, number
    assert number > 12
    assert failed == {}


def test_killed_while_it_was_closed_and_asked_for_more(
    tmp_path, generator, images, monkeypatch, no_unet
):
    """What was cut away for the smaller bank belongs to the larger one."""
    make(generator, images, tmp_path / 'expected', num=8)
    atomic = bank_writer.atomic_write_bytes

    def killed(path, data):
        if path.name == 'manifest.json':
            raise Killed
        atomic(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(bank_writer, 'atomic_write_bytes', killed)
        with pytest.raises(Killed):
            make(generator, images, tmp_path / 'bank', num=5)
    make(generator, images, tmp_path / 'bank', num=8)
    assert files_of(tmp_path / 'bank') == files_of(tmp_path / 'expected')


def test_windows_are_padded_to_what_the_unet_needs_and_cropped(
    tmp_path, generator, monkeypatch
):
    """29 x 27 pixels: sides that no window of steps of 16 divides."""
    images = write_images(
        tmp_path / 'data', [[('pit', 8, 8, 12, 10)]], size=(29, 27)
    )
    assert generator.multiple == 2
    seen = []

    def noise_itself(unet, scheduler, image, mask, label, noise, **_):
        for part in (image, mask, noise):
            assert part.shape[2] % 2 == 0
            assert part.shape[3] % 2 == 0
        seen.append(image)
        ramp = torch.linspace(-1, 1, image.shape[3]).expand(image.shape)
        assert image.shape[2:] in ((28, 30), (28, 32), (32, 30))
        # The picture goes on at its border instead of ending in a frame.
        assert torch.equal(image[..., 28], image[..., 29])
        assert torch.equal(image[..., 26, :], image[..., 27, :])
        return ramp.clone()

    monkeypatch.setattr(synthesize, 'sample_windows', noise_itself)
    make(generator, images, tmp_path / 'bank', num=3)
    assert seen
    bank = DefectBank(tmp_path / 'bank')
    for i in range(len(bank)):
        window = bank[i]
        assert window.window == (0, 0, 29, 27)
        pixels, alpha = bank.read(window)
        ramp = np.linspace(-1, 1, 30)[:29]
        painted = np.round((ramp + 1) * 127.5).astype(np.uint8)
        expected = np.broadcast_to(painted, (27, 29))
        found = pixels[..., 0][alpha == 255]
        difference = found.astype(int) - expected[alpha == 255]
        assert np.abs(difference).max() <= 1


def test_odd_windows_go_through_the_unet(tmp_path, generator):
    images = write_images(
        tmp_path / 'data', [[('pit', 8, 8, 12, 10)]], size=(29, 27)
    )
    assert make(generator, images, tmp_path / 'bank', num=3)['kept'] == 3


def painter(generator, images, **changes):
    data = LabelledImages(*images)
    settings = dict(steps=2, strength=0.6, seed=0, device='cpu', **changes)
    return data, WindowPainter(generator, data, **settings)


def test_what_is_sampled_with_what(tmp_path, generator, images, monkeypatch):
    """Replacements start from their source, everything else from noise."""
    calls = []

    def watched(unet, scheduler, image, mask, label, noise, **options):
        calls.append((options, image, mask, label, noise))
        return image

    monkeypatch.setattr(synthesize, 'sample_windows', watched)
    data, one = painter(generator, images)
    planner = WindowPlanner(
        data, max_window=32, mix=synthesize.DEFAULT_MIX, seed=0
    )
    plans = {number: planner.plan(number) for number in range(30)}
    assert {p.kind for p in plans.values()} == {'add', 'replaces', 'null'}
    one.paint(plans)
    seen = 0
    for options, image, mask, label, noise in calls:
        assert options['steps'] == 2
        assert image.dtype == mask.dtype == noise.dtype == torch.float32
        assert label.dtype == torch.int64
        assert -1 <= image.min() < image.max() <= 1
        for i in range(len(image)):
            # The window is found again by its alpha and its host's pixels.
            kinds = {
                plan.kind
                for plan in plans.values()
                if plan.alpha.shape == mask.shape[2:]
                and plan.label == label[i]
                and np.array_equal(plan.alpha, (mask[i, 0] * 255).round())
                and np.array_equal(
                    crop(data.read(plan.image), plan.window)[..., 0],
                    ((image[i, 0] + 1) * 127.5).round(),
                )
            }
            assert len(kinds) == 1
            replaces = kinds == {'replaces'}
            assert options['strength'] == (0.6 if replaces else 1.0)
            seen += 1
    assert seen == 30
    noises = torch.cat([noise.flatten() for *_, noise in calls])
    assert abs(noises.mean()) < 0.03
    assert abs(noises.std() - 1) < 0.03


def test_noise_belongs_to_the_number(tmp_path, generator, images, monkeypatch):
    """Which windows share a block or a batch changes no window's noise."""
    data, one = painter(generator, images)
    planner = WindowPlanner(
        data, max_window=32, mix=synthesize.DEFAULT_MIX, seed=0
    )
    plans = {number: planner.plan(number) for number in range(8)}

    def noise_itself(unet, scheduler, image, mask, label, noise, **_):
        return noise.clamp(-1, 1)

    monkeypatch.setattr(synthesize, 'sample_windows', noise_itself)
    _, together = one.paint(plans)
    alone = [one.paint({n: plans[n]})[1][0] for n in plans]
    for a, b in zip(together, alone):
        assert np.array_equal(a, b)
    first = [p[..., 0][:16, :16] for p in together]
    assert not any(np.array_equal(first[0], other) for other in first[1:])


def test_batches_hold_a_bounded_number_of_pixels(generator, images):
    data, one = painter(generator, images)
    planner = WindowPlanner(
        data, max_window=32, mix=synthesize.DEFAULT_MIX, seed=0
    )
    plans = {number: planner.plan(number) for number in range(200)}
    batches = one._batches(plans)
    assert sorted(n for _, batch in batches for n in batch) == list(range(200))
    for strength, numbers in batches:
        sizes = {plans[n].window[2:] for n in numbers}
        assert len(sizes) == 1
        (w, h) = sizes.pop()
        assert len(numbers) * w * h <= synthesize.BATCH_PIXELS
        assert {plans[n].kind == 'replaces' for n in numbers} == {
            strength == 0.6
        }


def test_rejected_windows_are_counted_and_left_out(
    tmp_path, generator, images, monkeypatch
):
    """Every third window comes out as it went in."""
    data = LabelledImages(*images)
    planner = WindowPlanner(data, max_window=32, mix=dict(add=1), seed=0)
    flat = {planner.plan(n).alpha.tobytes() for n in range(0, 100, 3)}

    def sometimes(unet, scheduler, image, mask, label, noise, **_):
        out = noise.clamp(-1, 1)
        for i, alpha in enumerate((mask[:, 0] * 255).round().byte()):
            if alpha.numpy().tobytes() in flat:
                out[i] = image[i]
        return out

    monkeypatch.setattr(synthesize, 'sample_windows', sometimes)
    manifest = make(
        generator, images, tmp_path / 'bank', num=8, mix=dict(add=1.0)
    )
    bank = DefectBank(tmp_path / 'bank')
    numbers = sorted(bank[i].number for i in range(8))
    assert numbers == [1, 2, 4, 5, 7, 8, 10, 11]
    assert manifest['rejected'] == {'nothing visible': 4}
    assert manifest['kept'] == 8


def test_gates_that_refuse_everything_end_it(
    tmp_path, generator, images, monkeypatch
):
    monkeypatch.setattr(
        synthesize, 'sample_windows', lambda u, s, image, *_, **__: image
    )
    with pytest.raises(ValueError, match='quality gates') as error:
        make(generator, images, tmp_path / 'bank', mix=dict(replaces=1.0))
    assert '0 of ' in str(error.value)
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'bank' / 'manifest.json').exists()


def test_other_settings_do_not_go_on_with_a_bank(
    tmp_path, generator, images, monkeypatch
):
    def killed(self, *args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(BankWriter, 'write_block', killed)
        with pytest.raises(Killed):
            make(generator, images, tmp_path / 'bank')
    with pytest.raises(ValueError, match='other settings'):
        make(generator, images, tmp_path / 'bank', seed=3)
    changed = images[0].read_text().replace('"area"', '"size"')
    images[0].write_text(changed)
    with pytest.raises(ValueError, match='other settings'):
        make(generator, images, tmp_path / 'bank')


def test_a_finished_bank_is_left_alone(tmp_path, generator, images):
    make(generator, images, tmp_path / 'bank')
    before = files_of(tmp_path / 'bank')
    with pytest.raises(ValueError, match='finished'):
        make(generator, images, tmp_path / 'bank')
    assert files_of(tmp_path / 'bank') == before


def test_classes_of_another_data_set(tmp_path, generator):
    images = write_images(
        tmp_path / 'data', [[('a', 4, 4, 6, 6)]], classes=('a', 'b', 'c')
    )
    with pytest.raises(ValueError, match='dent') as error:
        make(generator, images, tmp_path / 'bank')
    assert "'a'" in str(error.value)
    assert not (tmp_path / 'bank').exists()


@pytest.mark.parametrize(
    ('changes', 'word'),
    [
        (dict(num=0), 'num'),
        (dict(num=-3), 'num'),
        (dict(steps=0), 'steps'),
        (dict(steps=1000), 'steps'),
        (dict(strength=0), 'strength'),
        (dict(strength=1.2), 'strength'),
        (dict(max_window=8), 'max_window'),
        (dict(mix=dict(add=0.3)), 'mix'),
        (dict(seed=-1), 'seed'),
    ],
)
def test_an_argument_out_of_range_costs_nothing(
    tmp_path, generator, images, no_unet, changes, word
):
    """No folder is begun, so that the corrected command can use it."""
    with pytest.raises(ValueError, match=word):
        make(generator, images, tmp_path / 'bank', **changes)
    assert not (tmp_path / 'bank').exists()


def test_the_source_images_are_not_changed(
    tmp_path, generator, images, no_unet
):
    before = files_of(images[1])
    make(generator, images, tmp_path / 'bank')
    assert files_of(images[1]) == before
    first = cv2.imread(str(images[1] / 'plate_0.png'), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(first, noise_image(48, 40))
