import json
import pickle

import numpy as np
import pytest

from mmdet_ddpm_moco.bank.scenes import (
    FORMAT_VERSION,
    INDEX,
    MANIFEST,
    Scenes,
    write_scenes,
)

CATEGORIES = [dict(id=7, name='pit'), dict(id=3, name='rust')]


def coco(annotations):
    return dict(
        images=[dict(id=i, file_name=f'a/{i}.png') for i in (5, 2, 9)],
        annotations=[
            dict(dict(probability=0.75), image_id=i, category_id=c, bbox=b)
            for i, c, b in annotations
        ],
        categories=CATEGORIES,
    )


def written(root, annotations, **settings):
    return write_scenes(root, coco(annotations), root / 'img', settings)


def test_what_is_written_is_read(tmp_path):
    scenes = written(
        tmp_path,
        [(2, 3, [1, 2, 3, 4]), (5, 7, [0, 0, 9, 9]), (2, 7, [5, 5, 1, 1])],
    )
    assert len(scenes) == 3
    assert scenes.classes == ('pit', 'rust')
    first, second, third = (scenes[i] for i in range(3))
    assert first.path == tmp_path / 'img/a/5.png'
    np.testing.assert_array_equal(first.boxes, [[0, 0, 9, 9]])
    assert first.labels.tolist() == [0]
    np.testing.assert_array_equal(second.boxes, [[1, 2, 4, 6], [5, 5, 6, 6]])
    assert second.labels.tolist() == [1, 0]
    assert third.boxes.shape == (0, 4)
    assert second.boxes.dtype == np.float32
    assert second.labels.dtype == np.int64
    assert second.probabilities.tolist() == [0.75, 0.75]


def test_it_is_opened_again_in_workers(tmp_path):
    scenes = written(tmp_path, [(2, 3, [1, 2, 3, 4])])
    copy = pickle.loads(pickle.dumps(scenes))
    assert len(pickle.dumps(scenes)) < 500
    np.testing.assert_array_equal(copy[1].boxes, scenes[1].boxes)


def test_images_are_named_as_they_were_given(tmp_path, monkeypatch):
    """Windows of a bank are found by that name."""
    (tmp_path / 'there').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'there')
    monkeypatch.chdir(tmp_path)
    scenes = write_scenes('scenes', coco([]), 'link', {})
    assert scenes[0].path == tmp_path / 'link/a/5.png'


@pytest.mark.parametrize('free', [False, True])
def test_scenes_without_a_likely_defect_teach_nothing(tmp_path, free):
    boxes = [(5, 7, [0, 0, 9, 9]), (2, 7, [5, 5, 1, 1]), (2, 7, [0, 5, 1, 1])]
    data = coco(boxes)
    for annotation, likely in zip(
        data['annotations'], (0.5, 0.2, 0.25), strict=True
    ):
        annotation['probability'] = likely
    scenes = write_scenes(tmp_path, data, tmp_path, dict(defect_free=free))
    # Image 9 has no annotation: defect-free, where that was declared.
    assert scenes.usable().tolist() == ([0, 2] if free else [0])


def test_true_boxes_are_certain(tmp_path):
    data = coco([(5, 7, [0, 0, 9, 9])])
    del data['annotations'][0]['probability']
    scenes = write_scenes(tmp_path, data, tmp_path, {})
    assert scenes[0].probabilities.tolist() == [1]


def test_no_scene_at_all(tmp_path):
    scenes = write_scenes(
        tmp_path,
        dict(images=[], annotations=[], categories=CATEGORIES),
        '',
        {},
    )
    assert len(scenes) == 0
    assert scenes.usable().tolist() == []


def test_half_written_scenes_are_none(tmp_path, monkeypatch):
    written(tmp_path, [])
    from mmdet_ddpm_moco.bank import scenes

    def killed(path, data):
        if path.name == INDEX:
            raise KeyboardInterrupt
        path.write_bytes(data)

    monkeypatch.setattr(scenes, 'atomic_write_bytes', killed)
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path, [(2, 3, [1, 2, 3, 4])])
    with pytest.raises(FileNotFoundError, match=r'pseudo_label\.py'):
        Scenes(tmp_path)


def test_damage_is_told(tmp_path):
    written(tmp_path, [])
    (tmp_path / INDEX).write_bytes(b'x')
    with pytest.raises(ValueError, match='make them again'):
        Scenes(tmp_path)


def test_a_newer_format_is_told(tmp_path):
    written(tmp_path, [])
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    manifest['format_version'] = FORMAT_VERSION + 1
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match='upgrade'):
        Scenes(tmp_path)


def test_an_index_cut_short_is_told(tmp_path):
    written(tmp_path, [(2, 3, [1, 2, 3, 4])])
    index = tmp_path / INDEX
    index.write_bytes(index.read_bytes()[:-40])
    with pytest.raises(ValueError, match='make them again'):
        Scenes(tmp_path)
