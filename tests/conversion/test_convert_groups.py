from pathlib import Path

from helpers.voc_maker import (
    by_name,
    dents,
    kinds,
    surface,
)
from mmdet_ddpm_moco.conversion.convert import convert_dataset

SPLITS = ('train', 'val', 'test')


def overlapping(root: Path, count: int = 12) -> Path:
    """Six crops of one strip, then images that share nothing."""
    strip = surface(100, 400, seed=1)
    images = [strip[:, start : start + 100] for start in range(0, 300, 50)]
    images += [surface(100, 100, seed) for seed in range(2, count - 4)]
    return dents(root, images)


def test_crops_of_a_strip_stay_in_one_split(tmp_path, dst):
    src = overlapping(tmp_path / 'src', 24)
    strip = {f'dent_{number}.png' for number in range(1, 7)}
    parted = 0
    for seed in range(3):
        report = convert_dataset(src, dst, seed=seed)
        found = {split: set(by_name(dst, split)) for split in SPLITS}
        assert sum(bool(strip & names) for names in found.values()) == 1
        groups = {
            name: entry['group']
            for name, entry in by_name(dst, *SPLITS).items()
        }
        assert {groups[name] for name in strip} == {1}
        assert len(set(groups.values())) == 19
        assert report.groups['groups'] == 1
        assert report.groups['images'] == 6
        assert report.groups['largest'][0]['size'] == 6
        assert set(report.groups['largest'][0]['images']) == strip
        convert_dataset(src, dst, seed=seed, group_near_duplicates=False)
        found = {split: set(by_name(dst, split)) for split in SPLITS}
        parted += sum(bool(strip & names) for names in found.values()) > 1
        every = by_name(dst, *SPLITS).values()
        assert all(entry['group'] == entry['id'] for entry in every)
    assert parted


def test_unlabeled_images_like_held_out_ones_are_named(tmp_path, dst):
    src = overlapping(tmp_path / 'src')
    (src / 'annotations/dent_2.xml').unlink()
    (src / 'annotations/dent_9.xml').unlink()
    report = convert_dataset(src, dst, ratio=(0, 0, 1))
    assert kinds(report)['unlabeled_like_held_out'] == ['images/dent_2.png']
    unlabeled = by_name(dst, 'unlabeled')
    assert unlabeled['dent_2.png']['group'] == 1


def test_a_group_of_most_of_a_class_is_reported(tmp_path, dst):
    report = convert_dataset(overlapping(tmp_path / 'src', 11), dst)
    assert report.findings['large_group'] == [
        ('dent_1.png', '6 of 11 images of dent')
    ]
    assert len(by_name(dst, *SPLITS)) == 11
