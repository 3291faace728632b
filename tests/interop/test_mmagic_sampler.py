"""What DefectDDPMSampler samples: numbers, colors, labels, and refusals."""

import cv2
import pytest
import torch

from helpers.mmagic_sampling import DEFECTS, SIZE, as_bgr, sampler
from helpers.mmagic_stack import need_mmagic
from helpers.tiny_banks import write_generator, write_images

need_mmagic()

from mmdet_ddpm_moco import DefectDDPMSampler  # noqa: E402


def test_another_seed_samples_other_windows(parts):
    first = sampler(parts).test_step(dict(inputs=dict(num_batches=3)))
    again = sampler(parts).test_step(dict(inputs=dict(num_batches=3)))
    other = sampler(parts, seed=1).test_step(dict(inputs=dict(num_batches=3)))
    for a, b, c in zip(first, again, other):
        assert torch.equal(a.fake_img, b.fake_img)
        assert not torch.equal(a.fake_img, c.fake_img)
        assert a.fake_img.shape == (3, SIZE, SIZE)
        assert a.fake_img.dtype == torch.float32
        # Whole gray levels of the whole range.
        assert torch.equal(a.fake_img, a.fake_img.round())
        assert 0 <= a.fake_img.min() < 100 < a.fake_img.max() <= 255


def test_samples_go_on_from_call_to_call(parts):
    model = sampler(parts)
    numbers = [
        sample.metainfo['number']
        for count in (2, 3)
        for sample in model.val_step(dict(inputs=dict(num_batches=count)))
    ]
    assert numbers == [0, 1, 2, 3, 4]


def test_ranks_take_turns(parts, monkeypatch):
    from mmdet_ddpm_moco.interop.mmagic import sampler as module

    seen = []
    for rank in range(2):
        monkeypatch.setattr(
            module, 'get_dist_info', lambda rank=rank: (rank, 2)
        )
        model = sampler(parts)
        for _ in range(2):
            found = model.test_step(dict(inputs=dict(num_batches=2)))
            seen += [sample.metainfo['number'] for sample in found]
    assert seen == [0, 2, 4, 6, 1, 3, 5, 7]


def test_color_is_bgr(tmp_path):
    """Outside the mask a sample is its host, in the order OpenCV reads."""
    ann_file, folder = write_images(tmp_path, DEFECTS, channels=3)
    generator = write_generator(tmp_path / 'generator', channels=3)
    model = DefectDDPMSampler(
        str(generator),
        str(ann_file),
        str(folder),
        max_window=32,
        image_size=32,
        num_inference_steps=2,
    )
    compared = 0
    for sample in model.test_step(dict(inputs=dict(num_batches=6))):
        x, y, w, h = sample.metainfo['window']
        if (w, h) != (32, 32):
            continue
        host = cv2.imread(str(folder / sample.metainfo['source']))
        same = as_bgr([sample])[0] == host[y : y + h, x : x + w]
        assert same.mean() > 0.2
        # Not in the reverse order.
        reverse = as_bgr([sample])[0][..., ::-1] == host[y : y + h, x : x + w]
        assert reverse[..., [0, 2]].mean() < 0.05
        compared += 1
    assert compared


def test_labels_are_painted(parts):
    from mmagic.structures import DataSample

    asked = [2, 0, 1, 1]
    # As mmagic's metrics give them: float, one per sample.
    conditions = [
        DataSample().set_gt_label(torch.Tensor([label])) for label in asked
    ]
    found = sampler(parts).test_step(
        dict(inputs=dict(num_batches=4), data_samples=conditions)
    )
    assert [sample.gt_label.label.item() for sample in found] == asked


@pytest.mark.parametrize(
    ('inputs', 'text'),
    [
        (dict(num_batches=2, sample_model='ema'), "sample_model='ema'"),
        (dict(noise=torch.zeros(2, 3)), 'give num_batches instead of noise'),
    ],
)
def test_what_it_cannot_do(parts, inputs, text):
    with pytest.raises(ValueError, match=text):
        sampler(parts)(inputs)


def test_what_cannot_be_sampled(parts, tmp_path):
    with pytest.raises(ValueError, match='without null windows'):
        sampler(parts, mix=dict(add=0.5, null=0.5))
    with pytest.raises(ValueError, match='num_inference_steps must be from 1'):
        sampler(parts, num_inference_steps=0)
    with pytest.raises(ValueError, match='only samples'):
        sampler(parts)(dict(num_batches=1), mode='loss')
