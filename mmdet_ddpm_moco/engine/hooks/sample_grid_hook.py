"""Shows, while the generator is trained, what it makes."""

import cv2
import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...datasets.defect_window_dataset import alpha_to_tensor, to_tensor
from ...models.conditioning import MASK
from ...synthesis.picture_rows import draw_cell, draw_row
from ...synthesis.samplers import build_sampler
from ...synthesis.sampling import sample_windows
from ..trained_generator import averaged_unet, bare_model

# Always the same windows and noise, so that pictures can be compared.
_SEED = 0


@HOOKS.register_module()
class SampleGridHook(Hook):
    """Sends a grid of windows to the Visualizer's backends.

    A row for each class, ``background`` last: real windows, what the
    generator is shown of them, and what it makes of that. With MMEngine's
    default backend the pictures are
    ``<work_dir>/<time>/vis_data/vis_image/windows_<iteration>.png``.

    Args:
        interval (int): Iterations from one picture to the next, at least 1.
            Defaults to 500.
        columns (int): Windows of each class, at least 1. Defaults to 4.
        steps (int): Steps of the sampler, at least 1. Defaults to 20.

    Raises:
        ValueError: An argument is out of range.
    """

    priority = 'VERY_LOW'

    def __init__(
        self, interval: int = 500, columns: int = 4, steps: int = 20
    ) -> None:
        for name, value in dict(
            interval=interval, columns=columns, steps=steps
        ).items():
            if value < 1:
                msg = f'{name} must be at least 1, got {value}'
                raise ValueError(msg)
        self.interval = interval
        self.columns = columns
        self.steps = steps

    def before_train(self, runner: Runner) -> None:
        """Checks that the generator is one that paints into windows.

        Raises:
            ValueError: It is not.
        """
        conditioning = bare_model(runner).conditioning
        if conditioning != MASK:
            msg = (
                "SampleGridHook shows generators with conditioning='mask', "
                f'this one has {conditioning!r}; remove the hook'
            )
            raise ValueError(msg)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Draws the grid every ``interval`` iterations, and at the end."""
        done = runner.iter + 1
        if done % self.interval == 0 or done == runner.max_iters:
            self._show(runner)

    @master_only
    def _show(self, runner: Runner) -> None:
        grid = self.draw(
            runner.train_dataloader.dataset,
            averaged_unet(runner),
            bare_model(runner).scheduler,
        )
        runner.visualizer.add_image(
            'windows', cv2.cvtColor(grid, cv2.COLOR_BGR2RGB), runner.iter + 1
        )

    def draw(
        self,
        dataset: 'DefectWindowDataset',  # noqa: F821
        unet: torch.nn.Module,
        schedule: 'DDPMScheduler',  # noqa: F821
    ) -> np.ndarray:
        """Draws the grid.

        Args:
            dataset (DefectWindowDataset): Where windows come from.
            unet (nn.Module): The U-Net.
            schedule (DDPMScheduler): The schedule that it is trained with.

        Returns:
            np.ndarray: BGR uint8 (H, W, 3).
        """
        rng = np.random.RandomState(_SEED)
        noise_of = torch.Generator().manual_seed(_SEED)
        device = next(unet.parameters()).device
        rows = []
        for label in dataset.labels:
            drawn = [dataset.draw(rng, label) for _ in range(self.columns)]
            image = torch.stack([to_tensor(pixels) for pixels, _, _ in drawn])
            mask = torch.stack(
                [alpha_to_tensor(alpha) for _, alpha, _ in drawn]
            )
            noise = torch.randn(image.shape, generator=noise_of)
            made = sample_windows(
                unet,
                build_sampler('dpmsolver++', schedule),
                image.to(device),
                mask.to(device),
                torch.tensor([kind for _, _, kind in drawn], device=device),
                noise.to(device),
                steps=self.steps,
            ).cpu()
            shown = dict(
                real=image,
                masked=image * (1 - mask),
                # As in a bank: only what is masked comes from the generator.
                synthesised=image * (1 - mask) + made * mask,
            )
            rows.append(
                draw_row(
                    dataset.classes[label],
                    {name: _cells(part) for name, part in shown.items()},
                    self.columns,
                )
            )
        return np.vstack(rows)


def _cells(windows: torch.Tensor) -> list[np.ndarray]:
    pixels = ((windows + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return [draw_cell(p) for p in pixels.permute(0, 2, 3, 1).numpy()]
