import pytest

from mmdet_ddpm_moco.utils.image_files import image_files, listing_digest


def test_only_images_are_listed(tmp_path):
    # The given folder itself may be hidden.
    folder = tmp_path / '.cache/shots'
    for name in ('a.png', '._a.png', '.checkpoints/a.png', 'set1.png/b.PNG'):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')
    assert image_files(folder) == [folder / 'a.png', folder / 'set1.png/b.PNG']


def test_linked_folders_are_followed(tmp_path):
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'elsewhere/1.png').touch()
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/line').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'data/gone.png').symlink_to(tmp_path / 'nothing')
    assert image_files(tmp_path / 'data') == [tmp_path / 'data/line/1.png']


# One at a time: several circles would take forever where they are followed.
@pytest.mark.parametrize(
    ('link', 'target', 'more'),
    [
        ('data/line/up', 'data', []),
        ('data/self', 'data', []),
        ('other/back', 'data/line', ['twice/back/1.png']),
    ],
)
def test_links_to_a_folder_above_are_not_followed(
    tmp_path, link, target, more
):
    for name in ('data/line/1.png', 'other/2.png'):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    # Round by way of a folder elsewhere; twice the same is no circle.
    (tmp_path / 'data/line/other').symlink_to(tmp_path / 'other')
    (tmp_path / 'data/twice').symlink_to(tmp_path / 'other')
    (tmp_path / link).symlink_to(tmp_path / target)
    names = ['line/1.png', 'line/other/2.png', 'twice/2.png', *more]
    assert image_files(tmp_path / 'data') == [
        tmp_path / 'data' / name for name in names
    ]


def test_what_a_listing_holds(tmp_path):
    folder = tmp_path / 'shots'
    folder.mkdir()
    (folder / 'a.png').write_bytes(b'1')
    digests = [listing_digest(folder)]
    (folder / 'notes.txt').write_bytes(b'')
    assert listing_digest(folder) == digests[0]
    for name, content in (('b.png', b'1'), ('b.png', b'12')):
        (folder / name).write_bytes(content)
        digests.append(listing_digest(folder))
    digests.append(listing_digest(folder / 'a.png'))
    assert len({*digests, listing_digest(tmp_path / 'none')}) == 5
