import pytest

from helpers.voc_maker import flat_dataset, write_image, write_xml
from mmdet_ddpm_moco.conversion.formats import voc
from mmdet_ddpm_moco.conversion.layout import find_files, natural_key


def labels(files):
    return [file.label for file in files]


def touch(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


@pytest.mark.parametrize(
    ('images', 'xmls'),
    [
        ('IMAGES', 'ANNOTATIONS'),
        ('images', 'annotations'),
        ('JPEGImages', 'Annotations'),
    ],
)
def test_flat_layouts(tmp_path, images, xmls):
    write_image(tmp_path / images / 'a_2.png')
    write_image(tmp_path / images / 'dent' / 'a_10.JPG')
    write_xml(tmp_path / xmls / 'a_2.xml')
    (tmp_path / images / 'Thumbs.db').write_bytes(b'x')
    (tmp_path / xmls / 'notes.txt').write_text('x')
    tree = voc.find(tmp_path)
    assert labels(tree.images) == [
        f'{images}/a_2.png',
        f'{images}/dent/a_10.JPG',
    ]
    assert tree.images[1].folder == 'dent'
    assert tree.images[1].root == ''
    assert labels(tree.annotations) == [f'{xmls}/a_2.xml']
    assert labels(tree.strays) == [f'{images}/Thumbs.db', f'{xmls}/notes.txt']


@pytest.mark.parametrize('second', ['validation', 'valid', 'VAL', 'test'])
def test_split_layouts_are_pooled(tmp_path, second):
    for split in ('train', second):
        write_image(tmp_path / split / 'images' / 'dent' / f'{split}_1.png')
    write_xml(tmp_path / 'train' / 'annotations' / 'x.xml')
    tree = voc.find(tmp_path)
    assert {file.root for file in tree.images} == {'train', second}
    assert len(tree.images) == 2
    assert len(tree.annotations) == 1


def test_files_are_in_natural_order(tmp_path):
    for number in (10, 9, 1):
        write_image(tmp_path / 'images' / f'a_{number}.png')
    write_xml(tmp_path / 'annotations' / 'a_1.xml')
    names = [file.path.name for file in voc.find(tmp_path).images]
    assert names == ['a_1.png', 'a_9.png', 'a_10.png']


def test_different_names_never_tie():
    names = ['a_1', 'a_01', 'a1', 'a', '1', '1a', 'a_10', 'a_9', '']
    assert len({natural_key(name) for name in names}) == len(names)


def test_broken_and_folder_links_do_not_vanish(tmp_path):
    elsewhere = tmp_path / 'elsewhere'
    write_image(elsewhere / 'a_1.png')
    root = tmp_path / 'set'
    write_xml(root / 'annotations' / 'a_1.xml')
    (root / 'images').mkdir()
    (root / 'images' / 'dent').symlink_to(elsewhere)
    (root / 'images' / 'gone.png').symlink_to(tmp_path / 'nowhere.png')
    assert labels(voc.find(root).images) == [
        'images/dent/a_1.png',
        'images/gone.png',
    ]


@pytest.mark.parametrize('missing', ['folder', 'images', 'xmls'])
def test_nothing_to_convert_is_one_line(tmp_path, missing):
    root = tmp_path / 'set'
    if missing == 'images':
        write_xml(root / 'train' / 'annotations' / 'a.xml')
    elif missing == 'xmls':
        write_image(root / 'train' / 'images' / 'a.png')
    with pytest.raises(FileNotFoundError) as caught:
        voc.find(root)
    message = str(caught.value)
    assert str(root) in message
    assert '\n' not in message
    if missing != 'folder':
        assert 'looked for' in message


def test_output_of_a_conversion_in_place_is_no_source(tmp_path):
    flat_dataset(tmp_path, count=1)
    before = voc.find(tmp_path, tmp_path)
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'dent_1.png').symlink_to('../IMAGES/dent_1.png')
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'annotations' / 'train.json').write_text('{}')
    assert voc.find(tmp_path, tmp_path) == before


@pytest.mark.parametrize('layout', ['flat', 'splits'])
@pytest.mark.parametrize('folder', ['unlabeled', 'Unlabelled images/2026'])
def test_a_folder_of_unlabeled_images(tmp_path, layout, folder):
    root = '' if layout == 'flat' else 'training'
    touch(tmp_path / root / 'images/1.jpg')
    touch(tmp_path / root / 'annotations/1.xml')
    touch(tmp_path / folder / '2.jpg')
    touch(tmp_path / folder / 'notes.txt')
    for out in (tmp_path, tmp_path / 'out', tmp_path / 'out/first'):
        touch(out / 'images/made.jpg')
        tree = find_files(tmp_path, '.xml', frozenset(('annotations',)), out)
        names = {image.path.name for image in tree.images}
        assert names - {'made.jpg'} == {'1.jpg', '2.jpg'}
        (out / 'images/made.jpg').unlink()
    (unlabeled,) = [i for i in tree.images if i.path.name == '2.jpg']
    assert unlabeled.root == ''
    (labeled,) = [i for i in tree.images if i.path.name == '1.jpg']
    assert labeled.root == root


def test_images_beside_the_layout_are_named(tmp_path):
    """They may be masks or drawings; nothing vanishes without a word."""
    touch(tmp_path / 'VOC/JPEGImages/1.jpg')
    touch(tmp_path / 'VOC/Annotations/1.xml')
    touch(tmp_path / 'VOC/SegmentationClass/1.png')
    touch(tmp_path / 'VOC/ImageSets/Main/train.txt')
    tree = find_files(tmp_path / 'VOC', '.xml', frozenset(('annotations',)))
    assert labels(tree.images) == ['JPEGImages/1.jpg']
    assert labels(tree.strays) == ['SegmentationClass/1.png']


def test_a_conversion_in_place_of_splits_is_no_source(tmp_path):
    touch(tmp_path / 'train/images/1.jpg')
    touch(tmp_path / 'train/annotations/1.xml')
    touch(tmp_path / 'images/1.jpg')
    touch(tmp_path / 'annotations/train.json')
    tree = find_files(
        tmp_path, '.xml', frozenset(('annotations',)), dst=tmp_path
    )
    assert labels(tree.images) == ['train/images/1.jpg']
    assert tree.strays == []
