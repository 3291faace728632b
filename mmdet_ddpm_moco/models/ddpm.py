"""The generator: an inpainting DDPM, trained by MMEngine's Runner."""

import torch
from diffusers import UNet2DModel
from mmengine.model import BaseModel
from mmengine.registry import MODELS

from ..utils.errors import InputError
from .background_norm import background_norm, encode
from .conditioning import (
    CONDITIONINGS,
    MASK,
    NONE,
    input_channels,
    masked_image,
    unet_input,
)
from .losses.denoising_loss import denoising_loss, min_snr_weight
from .noise_schedule import build_schedule


@MODELS.register_module()
class DefectDDPM(BaseModel):
    """Denoising diffusion model that paints a defect into a window.

    Its U-Net sees the noisy window, the alpha of the defect and the window
    with the masked part removed, and the class as an embedding; windows are
    in units of their ground's contrast, see :func:`encode`. It is fully
    convolutional: windows of any size whose sides are multiples of
    ``2 ** (levels - 1)`` go through it.

    It may be told less: with ``conditioning='class'`` only the class of a
    window, with ``'none'`` nothing, as in the DDPM-MoCo paper. It then
    paints whole windows, and nobody knows where in them the defect is.

    Ho et al., Denoising Diffusion Probabilistic Models, 2020, with
    v-prediction (Salimans and Ho, 2022) by default.

    Args:
        num_classes (int): Number of defect classes. One more, the last, is
            ``background``.
        channels (int): 1 for gray windows, 3 for color. Defaults to 1.
        unet (dict): Arguments of diffusers' ``UNet2DModel``; channels and
            class embedding are filled in.
        scheduler (dict, optional): The schedule, see :func:`build_schedule`.
            Defaults to None, a cosine schedule of 1000 steps with
            v-prediction.
        conditioning (str): ``'mask'``, ``'class'`` or ``'none'``. Defaults
            to ``'mask'``.
        background_weight (float): Weight of errors outside the defect, see
            :func:`denoising_loss`; of no meaning without masks. Defaults to
            0.1.
        snr_gamma (float, optional): Weighs the steps by
            :func:`min_snr_weight`. Defaults to None, all alike.
        class_dropout (float): Share of windows whose class is hidden in
            training, in [0, 1). Above 0 synthesis can be guided, see
            :func:`sample_windows`. Defaults to 0.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        num_classes: int,
        unet: dict,
        channels: int = 1,
        scheduler: dict | None = None,
        conditioning: str = MASK,
        background_weight: float = 0.1,
        snr_gamma: float | None = None,
        class_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            msg = f'num_classes must be at least 1, got {num_classes}'
            raise InputError(msg)
        if channels not in (1, 3):
            msg = f'channels must be 1 (gray) or 3 (color), got {channels}'
            raise InputError(msg)
        if not 0 < background_weight <= 1:
            msg = (
                f'background_weight must be in (0, 1], got {background_weight}'
            )
            raise InputError(msg)
        if conditioning not in CONDITIONINGS:
            msg = (
                f'conditioning must be one of {CONDITIONINGS}, '
                f'got {conditioning!r}'
            )
            raise InputError(msg)
        if snr_gamma is not None and not snr_gamma > 0:
            msg = f'snr_gamma must be above 0, got {snr_gamma}'
            raise InputError(msg)
        if not 0 <= class_dropout < 1:
            msg = f'class_dropout must be in [0, 1), got {class_dropout}'
            raise InputError(msg)
        if class_dropout and conditioning == NONE:
            msg = "class_dropout needs a class: conditioning is 'none'"
            raise InputError(msg)
        self.num_classes = num_classes
        self.channels = channels
        self.conditioning = conditioning
        self.background_weight = background_weight
        self.snr_gamma = snr_gamma
        self.class_dropout = class_dropout
        # After the defects' classes come background and, for windows whose
        # class is hidden, no class.
        classes = num_classes + 1 + (class_dropout > 0)
        self.unet = UNet2DModel(
            in_channels=input_channels(conditioning, channels),
            out_channels=channels,
            num_class_embeds=None if conditioning == NONE else classes,
            **unet,
        )
        self.scheduler = build_schedule(scheduler)

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
            raise InputError(msg)
        if self.conditioning == MASK:
            image = encode(image, *background_norm(image, mask))
        noise = torch.randn_like(image)
        steps = torch.randint(
            self.scheduler.config.num_train_timesteps,
            (len(image),),
            device=image.device,
        )
        noisy = self.scheduler.add_noise(image, noise, steps)
        if self.conditioning == NONE:
            label = None
        elif self.class_dropout and self.training:
            hidden = torch.rand(len(label), device=label.device)
            label = label.masked_fill(
                hidden < self.class_dropout, self.num_classes + 1
            )
        if self.conditioning == MASK:
            shown = unet_input(noisy, masked_image(image, mask))
        else:
            # All of the window is painted, so all of it counts.
            shown, mask = noisy, torch.ones_like(mask)
        prediction = self.unet(shown, steps, class_labels=label).sample
        if mode == 'tensor':
            return prediction
        return dict(
            loss=denoising_loss(
                prediction,
                self._target(image, noise, steps),
                mask,
                self.background_weight,
                self.snr_gamma
                and min_snr_weight(self.scheduler, steps, self.snr_gamma),
            )
        )

    def _target(
        self, image: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor
    ) -> torch.Tensor:
        kind = self.scheduler.config.prediction_type
        if kind == 'v_prediction':
            return self.scheduler.get_velocity(image, noise, steps)
        return noise if kind == 'epsilon' else image
