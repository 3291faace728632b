"""Our generator as a model of mmagic."""

from collections.abc import Sequence
from typing import Any

import torch
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from mmengine.dist import get_dist_info
from mmengine.model import BaseModel
from torch import Tensor

from ...bank.format import NULL
from ...synthesis.generator import load_generator
from ...synthesis.painter import WindowPainter
from ...synthesis.planner import WindowPlan, WindowPlanner
from ...synthesis.run import bank_settings, open_hosts
from ...synthesis.settings import BankOptions
from ...utils.checks import check_arguments
from ...utils.errors import InputError
from .real_windows import bgr_square


@MODELS.register_module()
class DefectDDPMSampler(BaseModel):
    """A trained generator, sampled by mmagic's loops.

    What is sampled is a *window*: the generator inpaints, so each sample is a
    piece of a labeled image with a defect painted into it. Windows are planned
    and painted as for a defect bank: the n-th sample is window n of the bank
    that ``tools/synthesize.py`` makes with the same options and seed, but for
    the last bits of its arithmetic. Three things follow.

    - Outside the mask a sample is a real image. So its Frechet distance is
      lower than that of a generator of whole windows, and is to be compared
      only with others that were sampled like this.
    - By default every window is to have a defect where there was none, painted
      from noise alone. On images without a defect-free area that is large
      enough, a labeled defect is painted over instead, also from noise.
    - The gates of a bank are not applied: all windows count, also those that
      a bank rejects.

    Samples go on from call to call, and the ranks of a distributed run take
    turns. Windows are resized to one size, as mmagic's metrics need.

    Args:
        generator (str): Folder of the generator.
        ann_file (str): COCO json of the images that it was trained on, which
            windows are painted into.
        img_prefix (str): Folder that its file names start from.
        image_size (int): Side in pixels that windows are resized to.
            Defaults to 224.
        data_preprocessor (dict, optional): Defaults to None, mmagic's
            ``DataPreprocessor``.
        **options: Those of :class:`BankOptions`, such as ``max_window``,
            ``num_inference_steps`` and ``seed``. ``mix`` defaults to
            ``dict(add=1.0)`` and ``strength`` to 1.0; there are no ``null``
            windows.

    Raises:
        FileNotFoundError: There is no generator, or no annotations.
        ValueError: An argument is out of range, the generator does not fit
            the images, or it paints whole windows.
    """

    def __init__(
        self,
        generator: str,
        ann_file: str,
        img_prefix: str,
        image_size: int = 224,
        data_preprocessor: dict | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            data_preprocessor or dict(type='mmagic.DataPreprocessor')
        )
        options = {'mix': dict(add=1.0), 'strength': 1.0, **options}
        check_arguments(
            dict(options, image_size=image_size),
            image_size=(image_size >= 1, 'at least 1 pixel'),
            mix=(
                not options['mix'].get(NULL),
                'without null windows, which show no defect',
            ),
        )
        self.generator = load_generator(generator)
        self.unet = self.generator.unet  # moves with the model
        self.data = open_hosts(self.generator, ann_file, img_prefix)
        self.options = BankOptions(**options)
        # Checks the options.
        bank_settings(self.generator, ann_file, self.options)
        self.image_size = image_size
        self.num_sampled = 0  # by this rank
        self._planner = self._plans(self.options.per_class)
        self._planners: dict[int, WindowPlanner] = {}

    def forward(
        self,
        inputs: dict,
        data_samples: DataSample | None = None,
        mode: str = 'predict',
    ) -> list[DataSample]:
        """Samples the next windows.

        Args:
            inputs (dict): ``num_batches``, the number of windows; optionally
                ``sample_model``, which can only be ``'orig'``: a generator
                has averaged weights already.
            data_samples (DataSample, optional): If it has ``gt_label``, the
                classes to paint. Defaults to None, classes as in a bank.
            mode (str): Anything but ``'loss'``. Defaults to ``'predict'``.

        Returns:
            list[DataSample]: With ``fake_img``, BGR float32 (3, S, S) in
            [0, 255] of whole numbers, and ``gt_label``; the number of the
            window, its host and its place there are metainfo.

        Raises:
            ValueError: The inputs ask for something else.
        """
        count, labels = _asked_for(inputs, data_samples, mode)
        rank, world_size = get_dist_info()
        first = self.num_sampled
        numbers = [(first + i) * world_size + rank for i in range(count)]
        if labels is None:
            plans = {n: self._planner.plan(n) for n in numbers}
        else:
            plans = {
                n: self._planner_of(label).plan(n)
                for n, label in zip(numbers, labels, strict=True)
            }
        self.num_sampled += count
        return self._paint(plans)

    def _paint(self, plans: dict[int, WindowPlan]) -> list[DataSample]:
        device = next(self.unet.parameters()).device
        painter = WindowPainter(
            self.generator, self.data, None, self.options, str(device)
        )
        samples = []
        for record, pixels in zip(*painter.paint(plans), strict=True):
            assert pixels is not None  # nothing is rejected
            image = bgr_square(pixels[..., :3], self.image_size)
            sample = DataSample(
                fake_img=image.to(device, torch.float32),
                metainfo={
                    k: record[k] for k in ('number', 'source', 'window')
                },
            )
            samples.append(sample.set_gt_label(record['label']).to(device))
        return samples

    def _planner_of(self, label: int) -> WindowPlanner:
        """A planner of windows of one class."""
        if label not in self.data.present:
            present = {i: self.data.classes[i] for i in self.data.present}
            msg = (
                f'class {label} has no labeled defect, whose size and shape '
                f'a painted one would get; those that have one are {present}'
            )
            raise InputError(msg)
        if label not in self._planners:
            self._planners[label] = self._plans(
                {
                    self.data.classes[other]: float(other == label)
                    for other in self.data.present
                }
            )
        return self._planners[label]

    def _plans(self, per_class: Any) -> WindowPlanner:
        return WindowPlanner(
            self.data,
            max_window=self.options.max_window,
            mix=self.options.mix,
            seed=self.options.seed,
            per_class=per_class,
        )


def _asked_for(
    inputs: dict, data_samples: DataSample | None, mode: str
) -> tuple[int, Sequence[int] | None]:
    """How many windows are to be sampled, and of which classes."""
    if mode == 'loss':
        msg = (
            'DefectDDPMSampler only samples; train a generator with '
            'tools/train.py and a config of configs/ddpm'
        )
        raise InputError(msg)
    if isinstance(inputs, Tensor) or 'noise' in inputs:
        msg = (
            'DefectDDPMSampler draws the noise of each window from its seed '
            'and number; give num_batches instead of noise'
        )
        raise InputError(msg)
    weights = inputs.get('sample_model') or 'orig'
    if weights != 'orig':
        msg = (
            f'sample_model={weights!r}, but a generator has one set of '
            "weights, the averaged ones; use sample_model='orig'"
        )
        raise InputError(msg)
    labels = None
    if data_samples is not None and 'gt_label' in data_samples:
        # mmagic's metrics give them as float32 (N, 1).
        labels = data_samples.gt_label.label.flatten().long().tolist()
    count = inputs.get('num_batches', len(labels or [None]))
    if labels is not None and len(labels) != count:
        msg = f'num_batches={count}, but there are {len(labels)} labels'
        raise InputError(msg)
    return count, labels
