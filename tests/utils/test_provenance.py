"""What an image is recognized by, and what it is not taken for."""

import cv2
import numpy as np
import pytest

from mmdet_ddpm_moco.utils import provenance
from mmdet_ddpm_moco.utils.perceptual_hash import fingerprint, perceptual_hash
from mmdet_ddpm_moco.utils.provenance import (
    FILE,
    checked_record,
    contents_digest,
    find_copies,
    fingerprints,
    merge_records,
    pairs_of_copies,
    read_record,
    record_bytes,
    record_images,
)


def strip(seed, size=(200, 200)):
    """A picture of rolled metal: grain, a streak, uneven light."""
    rng = np.random.RandomState(seed)
    height, width = size
    grain = cv2.GaussianBlur(rng.randn(height, width), (0, 0), 2)
    light = np.linspace(-20, 20, width)[None]
    image = 120 + 90 * grain + light
    image[:, width // 3 : width // 3 + 4] += 40
    return np.clip(image, 0, 255).astype(np.uint8)


def jpeg(image, quality):
    return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]


def write(path, image):
    cv2.imwrite(str(path), image)
    return str(path)


@pytest.fixture
def seen(tmp_path):
    """Twenty images of one kind, as a stage saw them."""
    folder = tmp_path / 'seen'
    folder.mkdir()
    return [write(folder / f'{i}.png', strip(i)) for i in range(20)]


def changed(image):
    image = image.astype(np.float32)
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=3)
    noise = np.random.RandomState(0).randn(*image.shape) * 5
    return dict(
        brighter=image + 40,
        less_contrast=image * 0.6,
        gamma=255 * (image / 255) ** 1.5,
        smaller=half,
        noisy=image + noise,
        mirrored=image[:, ::-1],
        upside_down=image[::-1],
        turned=np.rot90(image),
        mirrored_and_turned=np.rot90(image[:, ::-1]),
        shifted_by_three=np.roll(image, 3, axis=1),
    )


@pytest.mark.parametrize('name', changed(strip(0)))
def test_the_same_picture_is_found(seen, tmp_path, name):
    pixels = np.clip(changed(strip(7))[name], 0, 255).astype(np.uint8)
    path = write(tmp_path / 'a.png', pixels)
    (copy,) = find_copies(fingerprints([path]), record_images(seen))
    assert (copy.path, copy.seen, copy.exact) == (path, '7.png', False)


@pytest.mark.parametrize('quality', [90, 50, 25])
def test_a_jpeg_of_it_is_found(seen, tmp_path, quality):
    path = tmp_path / 'a.jpg'
    path.write_bytes(jpeg(strip(7), quality).tobytes())
    (copy,) = find_copies(fingerprints([path]), record_images(seen))
    assert (copy.seen, copy.exact) == ('7.png', False)


def test_the_same_file_under_another_name_is_found(seen, tmp_path):
    path = tmp_path / 'other.png'
    path.write_bytes((tmp_path / 'seen' / '3.png').read_bytes())
    (copy,) = find_copies(fingerprints([path]), record_images(seen))
    assert (copy.seen, copy.exact) == ('3.png', True)


def test_other_pictures_of_the_kind_are_not_found(seen, tmp_path):
    others = [write(tmp_path / f'{i}.png', strip(i)) for i in range(100, 160)]
    # Of the same name as one that was seen.
    others.append(write(tmp_path / '3.png', strip(3000)))
    assert find_copies(fingerprints(others), record_images(seen)) == []


def test_pictures_without_structure_are_known_by_their_file(tmp_path):
    """All smooth or nearly blank pictures look alike."""
    shade = np.tile(np.linspace(90, 150, 200), (200, 1))
    blank = np.full((200, 200), 255, np.uint8)
    spot = blank.copy()
    spot[20:40, 20:40] = strip(0, (20, 20))
    pictures = [shade.astype(np.uint8), (shade + 9).astype(np.uint8)]
    pictures += [blank, blank - 1, spot, np.roll(spot, 120, axis=(0, 1))]
    assert [perceptual_hash(p) for p in pictures] == [None] * 6
    paths = [write(tmp_path / f'{i}.png', p) for i, p in enumerate(pictures)]
    record = record_images(paths[::2])
    found = find_copies(fingerprints(paths), record)
    assert [copy.path for copy in found] == paths[::2]
    assert all(copy.exact for copy in found)


def test_a_large_jpeg_is_the_picture_of_its_small_png(tmp_path):
    """It is decoded at an eighth of its size, which takes less time."""
    large = cv2.resize(strip(1), (2000, 1600), interpolation=cv2.INTER_CUBIC)
    (tmp_path / 'large.jpg').write_bytes(jpeg(large, 80).tobytes())
    small = write(tmp_path / 'small.png', strip(1))
    found = find_copies(
        fingerprints([tmp_path / 'large.jpg']), record_images([small])
    )
    assert [copy.seen for copy in found] == ['small.png']


def test_a_digest_knows_which_image_is_where(tmp_path):
    paths = [tmp_path / 'a.png', tmp_path / 'b.png']
    for seed, path in enumerate(paths):
        write(path, strip(seed))
    before = contents_digest(paths)
    assert before == contents_digest(reversed(paths)) is not None
    first, second = (path.read_bytes() for path in paths)
    paths[0].write_bytes(second)
    paths[1].write_bytes(first)
    assert contents_digest(paths) not in (before, None)
    paths[0].unlink()
    assert contents_digest(paths) is None


def test_a_file_that_changed_is_read_again(tmp_path):
    path = write(tmp_path / 'a.png', strip(1))
    before = fingerprint(path)
    write(path, strip(2, (160, 160)))
    assert fingerprint(path)[1:] != before[1:]


def test_a_file_that_is_no_image_has_no_perceptual_hash(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'no image')
    found = fingerprint(tmp_path / 'a.png')
    assert found.phash is None
    assert len(found.content) == 16
    assert fingerprints([tmp_path / 'none.png']) == {}


def test_the_record_depends_on_the_images_alone(seen, tmp_path):
    record = record_images(seen)
    assert record_images(seen[::-1] + seen) == record
    parts = merge_records(
        record_images(seen[12:]), None, record_images(seen[:15])
    )
    assert record_bytes(parts) == record_bytes(record)
    assert merge_records(None, None) is None
    assert len(record['images']) == 20


def test_the_record_survives_its_file(seen, tmp_path):
    record = record_images(seen[:3])
    assert read_record(tmp_path) is None
    (tmp_path / FILE).write_bytes(record_bytes(record))
    assert read_record(tmp_path) == record
    # A few bytes per image.
    assert len(record_bytes(record)) / 3 < 130


@pytest.mark.parametrize(
    'content',
    [
        b'{',
        b'[]',
        b'{"format_version": 1}',
        b'{"format_version": 1, "images": [["a.png", "00"]]}',
        b'{"format_version": 1, "images": [["a.png", "zz", null]]}',
    ],
)
def test_a_damaged_record_is_one_line(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ValueError, match=r'damaged.*make it again') as error:
        read_record(tmp_path)
    assert '\n' not in str(error.value)


def test_a_newer_record_is_refused(seen):
    record = dict(record_images(seen[:1]), format_version=2)
    with pytest.raises(ValueError, match=r'format 2.*upgrade'):
        checked_record(record, 'x')


@pytest.mark.parametrize('block', [1, 3, 1024])
def test_pairs_are_those_of_one_image_by_itself(
    seen, tmp_path, monkeypatch, block
):
    monkeypatch.setattr(provenance, '_BLOCK', block)
    flat = np.full((200, 200), 80, np.uint8)
    paths = [
        *seen,
        write(tmp_path / 'brighter.png', np.clip(strip(7) + 40.0, 0, 255)),
        write(tmp_path / 'turned.png', np.rot90(strip(7))),
        write(tmp_path / 'equal.png', strip(3)),
        # Without a perceptual hash.
        write(tmp_path / 'flat.png', flat),
        write(tmp_path / 'flat_too.png', flat),
        write(tmp_path / 'other_flat.png', flat + 9),
    ]
    known = fingerprints(paths)
    slow = {
        frozenset((path, copy.path))
        for path in known
        for copy in find_copies(known, record_images([path]))
        if copy.path != path
    }
    found = [frozenset(pair) for pair in pairs_of_copies(known)]
    assert len(found) == len(set(found)) == 5
    assert set(found) == slow


def test_equal_files_are_joined_through_the_first(seen, tmp_path):
    for name in 'ab':
        write(tmp_path / f'{name}.png', strip(3))
    paths = [tmp_path / 'a.png', tmp_path / 'b.png', seen[3]]
    first, *others = known = fingerprints(paths)
    assert [*pairs_of_copies(known)] == [(first, other) for other in others]


def test_no_images_have_no_pairs():
    assert [*pairs_of_copies({})] == []
