"""Labels and pseudo-labels as one COCO data set."""

from pathlib import Path

import pytest

from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.teacher.defects import common_prefix, known_defects
from mmdet_ddpm_moco.utils.fileio import write_json

CATEGORIES = [dict(id=3, name='dent'), dict(id=7, name='scratch')]
LABELED = dict(
    images=[dict(id=5, file_name='a.png', width=40, height=40)],
    annotations=[
        dict(id=9, image_id=5, category_id=7, bbox=[1, 2, 8, 9], iscrowd=0)
    ],
    categories=CATEGORIES,
)
SCENES = dict(
    images=[
        dict(id=i, file_name=f'{i}.png', width=40, height=40) for i in (4, 5)
    ],
    annotations=[
        dict(
            id=number,
            image_id=image,
            category_id=3,
            bbox=[4, 4, 9, 9],
            iscrowd=0,
            probability=probability,
        )
        for number, image, probability in ((1, 4, 0.5), (2, 5, 0.49))
    ],
    categories=CATEGORIES,
)


@pytest.mark.parametrize(
    'prefixes, names',
    [
        (('data/images', 'data/images/'), ['a.png', '4.png', '5.png']),
        (
            ('data/images', 'data/new'),
            ['images/a.png', 'new/4.png', 'new/5.png'],
        ),
        (('data', 'data/new'), ['a.png', 'new/4.png', 'new/5.png']),
    ],
)
def test_labels_stay_and_names_are_found(
    tmp_path, monkeypatch, prefixes, names
):
    monkeypatch.chdir(tmp_path)
    labeled, scenes = map(Path, prefixes)
    joined = known_defects(LABELED, labeled, SCENES, scenes, {9: 0.25})
    assert [i['file_name'] for i in joined['images']] == names
    prefix = common_prefix(prefixes)
    for image, source in zip(joined['images'], (labeled, scenes, scenes)):
        path = source / Path(image['file_name']).name
        assert (prefix / image['file_name']).absolute() == path.absolute()
    first = joined['annotations'][0]
    assert first == dict(LABELED['annotations'][0], found=0.25)
    for key in ('images', 'annotations'):
        ids = [entry['id'] for entry in joined[key]]
        assert len(set(ids)) == 3


def test_only_confident_boxes_are_learned_and_none_is_background(tmp_path):
    joined = known_defects(LABELED, tmp_path, SCENES, tmp_path, {9: 1.0})
    write_json(tmp_path / 'defects.json', joined)
    data = LabeledImages(tmp_path / 'defects.json', tmp_path)
    assert data.classes == ('dent', 'scratch')
    found = {i.file_name: [d.label for d in i.defects] for i in data.images}
    assert found == {'a.png': [1], '4.png': [0], '5.png': []}
    assert data.images[0].defects[0].found == 1
    assert data.images[1].defects[0].found == 0.5
    assert [i.pseudo_labeled for i in data.images] == [False, True, True]
    # What may be a defect is not taken for background.
    assert data.images[2].occupied == [(4, 4, 9, 9)]


def test_absolute_names_are_kept_outside_the_common_folder(tmp_path):
    names = ['/shots/4.png', str(tmp_path / 'new/5.png')]
    scenes = dict(
        SCENES,
        images=[
            dict(image, file_name=name)
            for image, name in zip(SCENES['images'], names)
        ],
    )
    joined = known_defects(LABELED, tmp_path, scenes, tmp_path, {})
    found = [image['file_name'] for image in joined['images']]
    assert found == ['a.png', '/shots/4.png', 'new/5.png']
