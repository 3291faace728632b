"""Draws samples of the generator while it is trained."""

from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...datasets.defect_window_dataset import (
    DefectWindowDataset,
    alpha_to_tensor,
    to_tensor,
)
from ...models.conditioning import MASK
from ...synthesis.samplers import build_sampler, sample_windows
from ...utils.checks import check_arguments
from ...utils.dist import unwrap_model
from ...utils.errors import InputError
from ...visualization.sample_grid import draw_cell, draw_row
from .export_generator_hook import averaged_unet

# The same windows and noise each time, so that grids can be compared.
_SEED = 0


@HOOKS.register_module()
class SampleGridHook(Hook):
    """Sends a grid of windows to the Visualizer's backends.

    A row for each class, ``background`` last: real windows, their masked
    input, and the synthesized ones. With MMEngine's default backend the
    images are
    ``<work_dir>/<time>/vis_data/vis_image/windows_<iteration>.png``.

    Args:
        interval (int): Iterations between grids, at least 1. Defaults to
            500.
        columns (int): Windows of each class, at least 1. Defaults to 4.
        num_inference_steps (int): Denoising steps, at least 1. Defaults to
            10.
    """

    priority = 'VERY_LOW'

    def __init__(
        self,
        interval: int = 500,
        columns: int = 4,
        num_inference_steps: int = 10,
    ) -> None:
        check_arguments(
            locals(),
            interval=(interval >= 1, 'at least 1'),
            columns=(columns >= 1, 'at least 1'),
            num_inference_steps=(num_inference_steps >= 1, 'at least 1'),
        )
        self.interval = interval
        self.columns = columns
        self.num_inference_steps = num_inference_steps

    def before_train(self, runner: Runner) -> None:
        """Checks that the generator inpaints windows."""
        conditioning = unwrap_model(runner.model).conditioning
        if conditioning != MASK:
            msg = (
                "SampleGridHook needs a generator with conditioning='mask', "
                f'this one has {conditioning!r}; remove the hook'
            )
            raise InputError(msg)

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Draws the grid every ``interval`` iterations, and at the end."""
        done = runner.iter + 1
        if done % self.interval == 0 or done == runner.max_iters:
            self._show(runner)

    @master_only
    def _show(self, runner: Runner) -> None:
        grid = self.draw(
            runner.train_dataloader.dataset,
            averaged_unet(runner),
            unwrap_model(runner.model).scheduler,
        )
        runner.visualizer.add_image(
            'windows', cv2.cvtColor(grid, cv2.COLOR_BGR2RGB), runner.iter + 1
        )

    def draw(
        self,
        dataset: DefectWindowDataset,
        unet: torch.nn.Module,
        schedule: Any,
    ) -> np.ndarray:
        """Draws the grid, BGR uint8 (H, W, 3).

        ``schedule`` is the U-Net's of its training.
        """
        rng = np.random.RandomState(_SEED)
        noise_of = torch.Generator().manual_seed(_SEED)
        device = next(unet.parameters()).device
        sampler = build_sampler('dpmsolver++', schedule)
        rows = []
        for label in dataset.labels:
            shown: dict[str, list[np.ndarray]] = dict(
                real=[], masked=[], synthesized=[]
            )
            # Not in a batch: they may have different sizes.
            for _ in range(self.columns):
                pixels, alpha, kind = dataset.draw(rng, label)
                image = to_tensor(pixels)[None]
                mask = alpha_to_tensor(alpha)[None]
                noise = torch.randn(image.shape, generator=noise_of)
                made = sample_windows(
                    unet,
                    sampler,
                    image.to(device),
                    mask.to(device),
                    torch.tensor([kind], device=device),
                    noise.to(device),
                    num_inference_steps=self.num_inference_steps,
                ).cpu()
                background = image * (1 - mask)
                shown['real'].append(_cell(image))
                shown['masked'].append(_cell(background))
                # As in a bank, only masked pixels come from the generator.
                shown['synthesized'].append(_cell(background + made * mask))
            rows.append(draw_row(dataset.classes[label], shown, self.columns))
        return np.vstack(rows)


def _cell(window: torch.Tensor) -> np.ndarray:
    pixels = ((window[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return draw_cell(pixels.permute(1, 2, 0).numpy())
