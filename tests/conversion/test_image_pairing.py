from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.voc_maker import write_image
from mmdet_ddpm_moco.conversion.layout import SourceFile
from mmdet_ddpm_moco.conversion.pairing import (
    _Places,
    drop_identical_copies,
    name_images,
    pair_by_stem,
)


def source(label: str, root: Path = Path('/set')) -> SourceFile:
    """``split/images/folder.../name`` as the layout reports it."""
    parts = label.split('/')
    split = '' if parts[0].lower() in ('images', 'annotations') else parts[0]
    inner = parts[2 if split else 1 : -1]
    return SourceFile(root / label, split, '/'.join(inner), label)


def pairs(images, xmls):
    found = pair_by_stem(
        [source(i) for i in images], [source(x) for x in xmls]
    )
    return {image.label: xml.label for image, xml in found.items()}


def test_stems_pair_across_folders_and_splits():
    assert pairs(
        ['train/images/dent/a_1.jpg', 'train/images/dent/a_2.jpg'],
        ['train/annotations/a_1.xml', 'test/annotations/a_2.xml'],
    ) == {
        'train/images/dent/a_1.jpg': 'train/annotations/a_1.xml',
        'train/images/dent/a_2.jpg': 'test/annotations/a_2.xml',
    }


def test_the_same_split_goes_before_another():
    assert pairs(
        ['train/images/a.jpg', 'test/images/a.jpg'],
        ['test/annotations/a.xml', 'train/annotations/a.xml'],
    ) == {
        'train/images/a.jpg': 'train/annotations/a.xml',
        'test/images/a.jpg': 'test/annotations/a.xml',
    }


def test_the_same_sub_folder_goes_before_another():
    assert pairs(
        ['images/dent/1.jpg', 'images/rust/1.jpg'],
        ['annotations/rust/1.xml', 'annotations/dent/1.xml'],
    ) == {
        'images/dent/1.jpg': 'annotations/dent/1.xml',
        'images/rust/1.jpg': 'annotations/rust/1.xml',
    }


def test_nothing_is_guessed():
    assert (
        pairs(
            ['images/dent/1.jpg', 'images/rust/1.jpg'], ['annotations/1.xml']
        )
        == {}
    )
    assert pairs(['images/1.jpg'], ['annotations/2.xml']) == {}


def test_the_annotation_of_a_missing_image_is_of_no_other():
    image = 'images/dent/1.jpg'
    assert (
        pairs([image, 'images/rust/2.jpg'], ['annotations/rust/1.xml']) == {}
    )
    # In a folder that has no images it may be.
    assert len(pairs([image], ['annotations/rust/1.xml'])) == 1
    # The folder of a split is no kind of sample.
    assert (
        len(
            pairs(
                ['images/train/1.jpg', 'images/val/2.jpg'],
                ['annotations/val/1.xml'],
            )
        )
        == 1
    )


def test_only_equal_name_and_contents_make_a_copy(tmp_path):
    write_image(tmp_path / 'images/dent/1.png', seed=1)
    write_image(tmp_path / 'images/rust/1.png', seed=1)
    write_image(tmp_path / 'images/scratch/1.png', seed=2)
    write_image(tmp_path / 'images/dent/2.png', seed=1)
    files = [
        source(f'images/{name}.png', tmp_path)
        for name in ('dent/1', 'rust/1', 'scratch/1', 'dent/2')
    ]
    kept, copies = drop_identical_copies(files)
    assert kept == [files[0], files[2], files[3]]
    assert copies == [(files[1], files[0])]


def test_names_that_clash_get_as_many_folders_as_it_takes(tmp_path):
    files = [
        source('train/images/dent/1.png'),
        source('test/images/dent/1.png'),
        source('train/images/rust/1.png'),
        source('train/images/dent/2.png'),
    ]
    names, renamed = name_images(files, tmp_path / 'images')
    assert [names[file] for file in files] == [
        'train__images__dent__1.png',
        'test__images__dent__1.png',
        'rust__1.png',
        '2.png',
    ]
    assert dict(renamed) == {file: names[file] for file in files[:3]}


def test_names_that_folders_cannot_tell_apart_are_numbered(tmp_path):
    files = [
        source('images/a/1.png'),
        source('images/b/1.png'),
        source('images/images__a__1.png'),
        source('images/a__1.png'),
    ]
    names, renamed = name_images(files, tmp_path / 'images')
    assert len(set(names.values())) == 4
    assert {name for _, name in renamed} <= set(names.values())


def test_images_already_in_place_keep_their_path(tmp_path):
    files = [
        source('images/dent/1.png', tmp_path),
        source('images/rust/1.png', tmp_path),
    ]
    names, renamed = name_images(files, tmp_path / 'images')
    assert list(names.values()) == ['dent/1.png', 'rust/1.png']
    assert renamed == []


def slow_closest(file, others):
    """Agreeing innermost folders are counted one by one."""

    def rank(other):
        depth = 0
        for one, two in zip(file.path.parts[-2::-1], other.path.parts[-2::-1]):
            if one != two:
                break
            depth += 1
        return depth, other.root == file.root

    best = max(map(rank, others), default=None)
    return [other for other in others if rank(other) == best]


PATHS = st.builds(
    lambda split, folders: '/'.join([split, 'images', *folders, 'cam.bmp']),
    st.sampled_from(['train', 'test']),
    st.lists(st.sampled_from(['a', 'b']), max_size=3),
)


@settings(deadline=None)
@given(st.lists(PATHS, unique=True, max_size=8), PATHS)
def test_the_closest_of_a_name_by_a_slow_comparison(labels, label):
    others = [source(other) for other in labels]
    file = source(label, Path('/annotations'))
    found = _Places(others).closest(file)
    assert found == slow_closest(file, others)
