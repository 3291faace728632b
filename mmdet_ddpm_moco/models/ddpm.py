"""The generator: an inpainting DDPM, trained by MMEngine's Runner."""

import torch
from diffusers import DDPMScheduler, UNet2DModel
from mmengine.model import BaseModel
from mmengine.registry import MODELS

from .conditioning import unet_input
from .losses.denoising_loss import denoising_loss


@MODELS.register_module()
class DefectDDPM(BaseModel):
    """Denoising diffusion model that paints a defect into a window.

    Its U-Net sees the noisy window, the alpha of the defect and the window
    with the masked part removed, and the class as an embedding. It is fully
    convolutional: windows of any size whose sides are multiples of
    ``2 ** (levels - 1)`` go through it.

    Ho et al., Denoising Diffusion Probabilistic Models, 2020, with
    v-prediction (Salimans and Ho, 2022) by default.

    Args:
        num_classes (int): Number of defect classes. One more, the last, is
            ``background``.
        channels (int): 1 for grey windows, 3 for colour. Defaults to 1.
        unet (dict): Arguments of diffusers' ``UNet2DModel``; channels and
            class embedding are filled in.
        scheduler (dict): Arguments of diffusers' ``DDPMScheduler``.
            Defaults to a cosine schedule of 1000 steps with v-prediction.
        outside_weight (float): Weight of errors outside the defect, see
            :func:`denoising_loss`. Defaults to 0.1.

    Raises:
        ValueError: ``num_classes``, ``channels`` or ``outside_weight`` out
            of range.
    """

    def __init__(
        self,
        num_classes: int,
        unet: dict,
        channels: int = 1,
        scheduler: dict | None = None,
        outside_weight: float = 0.1,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            msg = f'num_classes must be at least 1, got {num_classes}'
            raise ValueError(msg)
        if channels not in (1, 3):
            msg = f'channels must be 1 (grey) or 3 (colour), got {channels}'
            raise ValueError(msg)
        if not 0 < outside_weight <= 1:
            msg = f'outside_weight must be in (0, 1], got {outside_weight}'
            raise ValueError(msg)
        self.num_classes = num_classes
        self.channels = channels
        self.outside_weight = outside_weight
        self.unet = UNet2DModel(
            in_channels=2 * channels + 1,
            out_channels=channels,
            num_class_embeds=num_classes + 1,
            **unet,
        )
        self.scheduler = DDPMScheduler(
            **(
                scheduler
                or dict(
                    beta_schedule='squaredcos_cap_v2',
                    prediction_type='v_prediction',
                )
            )
        )
        kinds = ('epsilon', 'sample', 'v_prediction')
        kind = self.scheduler.config.prediction_type
        if kind not in kinds:
            msg = f'prediction_type must be one of {kinds}, got {kind!r}'
            raise ValueError(msg)

    def forward(
        self,
        image: torch.Tensor,
        mask: torch.Tensor,
        label: torch.Tensor,
        mode: str = 'tensor',
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """Noises the windows to random steps and predicts.

        Args:
            image (torch.Tensor): float32 (N, C, H, W) in [-1, 1].
            mask (torch.Tensor): float32 (N, 1, H, W) in [0, 1], alpha.
            label (torch.Tensor): int64 (N, ).
            mode (str): ``'loss'`` for training, ``'tensor'`` for the
                U-Net's output.

        Returns:
            torch.Tensor | dict: ``{'loss': scalar}`` or the prediction,
            (N, C, H, W).

        Raises:
            ValueError: Another ``mode``.
        """
        if mode not in ('loss', 'tensor'):
            msg = f"mode must be 'loss' or 'tensor', got {mode!r}"
            raise ValueError(msg)
        noise = torch.randn_like(image)
        steps = torch.randint(
            self.scheduler.config.num_train_timesteps,
            (len(image),),
            device=image.device,
        )
        noisy = self.scheduler.add_noise(image, noise, steps)
        prediction = self.unet(
            unet_input(noisy, image, mask), steps, class_labels=label
        ).sample
        if mode == 'tensor':
            return prediction
        target = self._target(image, noise, steps)
        return dict(
            loss=denoising_loss(prediction, target, mask, self.outside_weight)
        )

    def _target(
        self, image: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor
    ) -> torch.Tensor:
        kind = self.scheduler.config.prediction_type
        if kind == 'v_prediction':
            return self.scheduler.get_velocity(image, noise, steps)
        return noise if kind == 'epsilon' else image
