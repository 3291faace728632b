"""The generator: an inpainting DDPM, trained by MMEngine's Runner."""

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS

from ..utils.checks import check_arguments
from ..utils.errors import InputError
from .background_norm import background_statistics, normalize
from .conditioning import CONDITIONINGS, MASK, NONE, masked_image
from .denoiser import build_denoiser, side_multiple
from .losses.denoising_loss import denoising_loss, min_snr_weight
from .noise_schedule import build_schedule


@MODELS.register_module()
class DefectDDPM(BaseModel):
    """Denoising diffusion model that paints a defect into a window.

    A DDPM (Ho et al., arXiv 2006.11239) with the cosine schedule of improved
    DDPM (arXiv 2102.09672, eq. 17) and v-prediction (arXiv 2202.00512,
    appendix D) by default. Its U-Net gets the noisy window, the mask of the
    defect, the window without the masked part, and an embedding of the class;
    windows are normalized by :func:`normalize`. It is fully convolutional:
    windows of any size whose sides are multiples of ``2 ** (levels - 1)``
    pass through it.

    With ``conditioning='class'`` the U-Net gets only the class of a window,
    with ``'none'`` nothing, as in DDPM-MoCo (arXiv 2407.03332). It then
    paints whole windows, and where in them the defect is stays unknown.

    Args:
        num_classes (int): Number of defect classes. One more, the last, is
            ``background``.
        unet (dict): Arguments of diffusers' ``UNet2DModel``, or of another
            network that ``type`` names, see :func:`build_denoiser`; channels
            and class embedding are filled in.
        channels (int): 1 for gray windows, 3 for color. Defaults to 1.
        scheduler (dict, optional): The noise schedule, see
            :func:`build_schedule`. Defaults to None, a cosine schedule of
            1000 steps with v-prediction.
        conditioning (str): ``'mask'``, ``'class'`` or ``'none'``. Defaults
            to ``'mask'``.
        background_weight (float): Weight in (0, 1] of errors outside the
            defect, see :func:`denoising_loss`; unused without masks.
            Defaults to 0.1.
        snr_gamma (float, optional): Weights the timesteps by
            :func:`min_snr_weight`; above 0. Defaults to None, all alike.
        class_dropout (float): Share of windows trained with the null label
            instead of their class, in [0, 1): joint training for
            classifier-free guidance (Ho and Salimans, arXiv 2207.12598,
            algorithm 1), see :func:`sample_windows`. Defaults to 0.

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
        # The host goes on while a batch is copied to the GPU.
        super().__init__(dict(type='BaseDataPreprocessor', non_blocking=True))
        check_arguments(
            locals(),
            num_classes=(num_classes >= 1, 'at least 1'),
            channels=(channels in (1, 3), '1 (gray) or 3 (color)'),
            background_weight=(0 < background_weight <= 1, 'in (0, 1]'),
            conditioning=(
                conditioning in CONDITIONINGS,
                f'one of {CONDITIONINGS}',
            ),
            snr_gamma=(snr_gamma is None or snr_gamma > 0, 'above 0'),
            class_dropout=(0 <= class_dropout < 1, 'in [0, 1)'),
        )
        if class_dropout and conditioning == NONE:
            msg = "class_dropout needs a class: conditioning is 'none'"
            raise InputError(msg)
        self.num_classes = num_classes
        self.channels = channels
        self.conditioning = conditioning
        self.background_weight = background_weight
        self.snr_gamma = snr_gamma
        self.class_dropout = class_dropout
        # Labels: the defect classes, background, with dropout the null label.
        num_labels = num_classes + 1 + (class_dropout > 0)
        self.unet = build_denoiser(
            unet,
            # The noisy window; with masks, masked_image() too.
            in_channels=channels + (conditioning == MASK) * (channels + 1),
            out_channels=channels,
            num_class_embeds=None if conditioning == NONE else num_labels,
        )
        self._multiple = side_multiple(self.unet)
        self.scheduler = build_schedule(scheduler)

    def forward(
        self,
        image: torch.Tensor,
        mask: torch.Tensor,
        label: torch.Tensor,
        mode: str = 'tensor',
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """Adds noise of random timesteps to windows and predicts.

        Noise is added by eq. 4 of arXiv 2006.11239; the loss is its
        L_simple (eq. 14), weighted by :func:`denoising_loss`.

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
            ValueError: Another ``mode``, or sides that do not fit the U-Net.
        """
        modes = ('loss', 'tensor')
        check_arguments(locals(), mode=(mode in modes, f'one of {modes}'))
        self._check_sides(*image.shape[2:])
        if self.conditioning == MASK:
            image = normalize(image, *background_statistics(image, mask))
        noise = torch.randn_like(image)
        timesteps = torch.randint(
            self.scheduler.config.num_train_timesteps,
            (len(image),),
            device=image.device,
        )
        unet_input = self.scheduler.add_noise(image, noise, timesteps)
        if self.class_dropout and self.training:
            dropped = torch.rand(len(label), device=label.device)
            label = label.masked_fill(
                dropped < self.class_dropout, self.num_classes + 1
            )
        if self.conditioning == MASK:
            unet_input = torch.cat(
                [unet_input, masked_image(image, mask)], dim=1
            )
        else:
            # The whole window is painted, so all of it counts.
            mask = torch.ones_like(mask)
        prediction = self.unet(
            unet_input,
            timesteps,
            class_labels=None if self.conditioning == NONE else label,
        ).sample
        if mode == 'tensor':
            return prediction
        weight = None
        if self.snr_gamma is not None:
            weight = min_snr_weight(self.scheduler, timesteps, self.snr_gamma)
        target = self._target(image, noise, timesteps)
        loss = denoising_loss(
            prediction, target, mask, self.background_weight, weight
        )
        return dict(loss=loss)

    def _check_sides(self, height: int, width: int) -> None:
        multiple = self._multiple
        if height % multiple or width % multiple:
            msg = (
                f'windows of {width}x{height} pixels do not fit the U-Net, '
                f'which halves them: choose a window whose sides are '
                f'multiples of {multiple}, or fewer levels; one larger than '
                'its image is cut to multiples of 8'
            )
            raise InputError(msg)

    def _target(
        self, image: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        prediction_type = self.scheduler.config.prediction_type
        if prediction_type == 'v_prediction':
            return self.scheduler.get_velocity(image, noise, timesteps)
        return noise if prediction_type == 'epsilon' else image
