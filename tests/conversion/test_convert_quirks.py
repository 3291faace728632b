import struct
import zlib

import numpy as np

from helpers.mask_maker import png, tile_dataset
from helpers.voc_maker import (
    by_name,
    flat_dataset,
    kinds,
    load,
    surface,
    write_image,
    write_xml,
)
from mmdet_ddpm_moco.conversion.convert import convert_dataset

SPLITS = ('train', 'val', 'test')


def test_every_quirk_passes_and_is_reported(tmp_path, dst):
    src = flat_dataset(tmp_path / 'src', count=3)
    images, xmls = src / 'IMAGES', src / 'ANNOTATIONS'
    good = ('dent', 3, 5, 22, 14)

    def add(stem, *objects, seed, **kwargs):
        write_image(images / f'{stem}.png', seed)
        write_xml(xmls / f'{stem}.xml', objects=objects, **kwargs)

    add('rolled-in_scale_7', ('rolled-in_scale', 1, 1, 9, 9), seed=20)
    add('rolled-in_scale_8', ('', 1, 1, 9, 9), seed=21)
    add('nobody_9', ('', 1, 1, 9, 9), good, seed=22)
    add('plain', good, seed=23, filename='plain')
    add('wrong_size', good, seed=24, size=(200, 100))
    add('no_size', good, seed=25, size=None)
    add('twice', good, good, seed=26)
    add('beyond', ('dent', 0, 5, 22, 99), seed=27)
    add('outside', ('dent', 50, 5, 60, 14), good, seed=28)
    add('empty', ('dent', 9, 5, 9, 14), good, seed=29)
    add('letters', ('dent', 'a', 5, 9, 14), good, seed=30)
    add('floats', ('dent', 1.5, 2.5, 9.25, 14), seed=31)
    add('clean', seed=32)
    add('hopeless', ('dent', 50, 5, 60, 14), seed=33)
    write_image(images / 'alone.png', 34)
    write_xml(xmls / 'no_image.xml', objects=[good])
    add('hollow', good, seed=35)
    (images / 'hollow.png').write_bytes(b'')
    add('garbled', good, seed=36)
    (images / 'garbled.png').write_bytes(b'no image at all')
    add('broken', seed=37)
    (xmls / 'broken.xml').write_text('<annotation><object>')
    add('blank', seed=38)
    (xmls / 'blank.xml').write_bytes(b'')
    (images / 'readme.txt').write_text('x')
    report = convert_dataset(src, dst, group_near_duplicates=False)

    def xml(*stems):
        return [f'ANNOTATIONS/{stem}.xml' for stem in stems]

    assert kinds(report) == dict(
        class_from_stem=xml('rolled-in_scale_8'),
        object_without_class=xml('nobody_9'),
        filename_differs=xml('plain'),
        size_differs=xml('wrong_size'),
        duplicate_box=xml('twice'),
        clipped_box=xml('beyond'),
        box_outside_image=xml('hopeless', 'outside'),
        empty_box=xml('empty'),
        unusable_coordinates=xml('letters'),
        xml_without_objects=xml('clean'),
        no_usable_objects=xml('hopeless'),
        image_without_xml=['IMAGES/alone.png'],
        xml_without_image=xml('garbled', 'hollow', 'no_image'),
        unreadable_image=['IMAGES/garbled.png', 'IMAGES/hollow.png'],
        broken_xml=xml('blank', 'broken'),
        stray_file=['IMAGES/readme.txt'],
    )
    found = by_name(dst, *SPLITS)
    assert set(by_name(dst, 'unlabeled')) == {
        'alone.png', 'blank.png', 'broken.png', 'hopeless.png'
    }  # fmt: skip
    assert load(dst, 'unlabeled')['annotations'] == []
    assert found['clean.png']['boxes'] == []
    assert 'hollow.png' not in found
    dent = ('dent', [2, 4, 20, 10])
    for name in ('plain', 'twice', 'outside', 'empty', 'letters', 'nobody_9'):
        assert found[f'{name}.png']['boxes'] == [dent]
    assert found['beyond.png']['boxes'] == [('dent', [0, 4, 22, 36])]
    assert found['floats.png']['boxes'] == [('dent', [0.5, 1.5, 8.75, 12.5])]
    scale = ('rolled-in_scale', [0, 0, 9, 9])
    assert found['rolled-in_scale_8.png']['boxes'] == [scale]
    assert found['wrong_size.png']['width'] == 40
    assert found['wrong_size.png']['height'] == 40


def test_popular_copy_with_image_and_xml_in_different_splits(tmp_path, dst):
    for number in range(1, 7):
        image_split = 'train' if number < 6 else 'validation'
        write_image(
            tmp_path / image_split / 'images/dent' / f'dent_{number}.png',
            number,
        )
        write_xml(
            tmp_path / 'train/annotations' / f'dent_{number}.xml',
            objects=[('dent', 3, 5, 22, 14)],
        )
    report = convert_dataset(tmp_path, dst, ratio=(0.5, 0, 0.5))
    assert kinds(report) == dict(
        paired_across_splits=['validation/images/dent/dent_6.png']
    )
    assert len(by_name(dst, 'train')) == len(by_name(dst, 'test')) == 3
    assert by_name(dst, 'val') == {}


def test_images_of_one_name(tmp_path, dst):
    for kind, seed in (('dent', 1), ('rust', 2), ('worn', 1)):
        write_image(tmp_path / f'images/{kind}/1.png', seed)
        write_xml(
            tmp_path / f'annotations/{kind}/1.xml',
            objects=[(kind, 3, 5, 22, 14)],
        )
    report = convert_dataset(tmp_path, dst, ratio=(1, 0, 0))
    assert kinds(report) == dict(
        renamed_image=['images/dent/1.png', 'images/rust/1.png'],
        identical_copy=['images/worn/1.png'],
        joined_copies=['images/dent/1.png'],
    )
    found = by_name(dst, 'train')
    assert set(found) == {'dent__1.png', 'rust__1.png'}
    assert found['rust__1.png']['boxes'][0][0] == 'rust'
    kinds_of = [name for name, _ in found['dent__1.png']['boxes']]
    assert kinds_of == ['dent', 'worn']
    assert (dst / 'images/rust__1.png').resolve() == (
        tmp_path / 'images/rust/1.png'
    )


def test_a_camera_image_and_its_preview_of_one_stem(tmp_path, dst):
    """The annotation says which of the two it is for."""
    src = flat_dataset(tmp_path / 'src', count=2)
    for folder, seed in (('A', 40), ('B', 41)):
        for suffix in ('bmp', 'png'):
            write_image(
                src / f'IMAGES/{folder}/7.{suffix}', seed + ord(suffix[0])
            )
        write_xml(
            src / f'ANNOTATIONS/{folder}/7.xml',
            filename=f'pictures\\{folder}\\7.bmp',
            objects=[('dent', 3, 5, 22, 14)],
        )
    write_image(src / 'IMAGES/8.bmp', 50)
    write_image(src / 'IMAGES/8.png', 51)
    write_xml(
        src / 'ANNOTATIONS/8.xml',
        filename='8',
        objects=[('dent', 3, 5, 22, 14)],
    )
    report = convert_dataset(
        src, dst, ratio=(1, 0, 0), group_near_duplicates=False
    )
    labeled = by_name(dst, 'train')
    assert [name for name in labeled if '7' in name] == [
        'A__7.bmp',
        'B__7.bmp',
    ]
    assert '8.bmp' not in labeled
    assert '8.png' not in labeled
    missing = report.findings['xml_without_image']
    assert missing == [('ANNOTATIONS/8.xml', 'several images have its name')]


def test_images_that_were_scaled_after_they_were_annotated(tmp_path, dst):
    src = flat_dataset(tmp_path / 'src', count=2)
    for stem, size in (('half', (80, 80)), ('wrong', (90, 80))):
        write_image(src / f'IMAGES/{stem}.png', len(stem))
        box = ('dent', 11, 21, 60, 40)
        write_xml(src / f'ANNOTATIONS/{stem}.xml', objects=[box], size=size)
    report = convert_dataset(
        src, dst, ratio=(1, 0, 0), group_near_duplicates=False
    )
    found = by_name(dst, 'train')
    assert found['half.png']['boxes'] == [('dent', [5, 10, 25, 10])]
    # As it stands, and clipped: 40 x 40 pixels.
    assert found['wrong.png']['boxes'] == [('dent', [10, 20, 30, 20])]
    assert report.findings['scaled_image'] == [
        ('ANNOTATIONS/half.xml', '80x80, is 40x40')
    ]
    assert report.findings['size_differs'] == [
        ('ANNOTATIONS/wrong.xml', '90x80, is 40x40')
    ]


def test_sizes_are_those_after_exif_rotation(tmp_path, dst):
    import cv2

    image = np.dstack([surface(30, 60, seed=1)] * 3)
    _, jpeg = cv2.imencode('.jpg', image)
    exif = (
        b'\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01'
        b'\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00'
    )
    data = jpeg.tobytes()
    (tmp_path / 'images').mkdir()
    path = tmp_path / 'images' / 'a.jpg'
    path.write_bytes(data[:2] + exif + data[2:])
    write_xml(
        tmp_path / 'annotations/a.xml',
        filename='a.jpg',
        objects=[('dent', 1, 1, 30, 60)],
        size=(30, 60),
    )
    report = convert_dataset(tmp_path, dst, ratio=(1, 0, 0))
    assert report.findings == {}
    # As mmdet's loader sees it.
    seen = cv2.imread(str(path)).shape
    assert seen == (60, 30, 3)
    entry = by_name(dst, 'train')['a.jpg']
    assert (entry['height'], entry['width']) == (60, 30)


def huge_png():
    """A PNG whose header says 70000 x 70000."""
    data = bytearray(png(np.zeros((4, 4), np.uint8)))
    data[16:24] = struct.pack('>II', 70000, 70000)
    data[29:33] = struct.pack('>I', zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def test_more_pixels_than_opencv_takes_are_one_finding(src, tmp_path, dst):
    (src / 'IMAGES/dent_1.png').write_bytes(huge_png())
    report = convert_dataset(src, dst)
    assert report.findings['unreadable_image'] == [
        (
            'IMAGES/dent_1.png',
            'cannot be decoded (pixels <= CV_IO_MAX_IMAGE_PIXELS)',
        )
    ]
    assert sum(report.counts[split]['images'] for split in SPLITS) == 19
    tiles = tile_dataset(tmp_path / 'tiles', count=2)
    mask = 'MT_Crack/Imgs/exp1_num_1.png'
    (tiles / mask).write_bytes(huge_png())
    report = convert_dataset(tiles, tmp_path / 'other', 'masks')
    assert kinds(report) == dict(broken_mask=[mask])
