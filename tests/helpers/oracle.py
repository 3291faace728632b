"""A U-Net with exact predictions, and windows for it."""

import torch

from mmdet_ddpm_moco.models.background_norm import (
    background_statistics,
    normalize,
)


def batch(number=2, size=16, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(shape, generator=generator)

    shape = (number, 1, size, size)
    return dict(
        image=uniform(*shape) * 2 - 1,
        mask=uniform(*shape),
        label=torch.arange(number),
        noise=torch.randn(shape, generator=generator),
    )


class Oracle(torch.nn.Module):
    """Predicts v (or noise, or the window) exactly from the clean windows."""

    def __init__(self, clean, trained, data=None):
        super().__init__()
        data = batch(len(clean), clean.shape[-1]) if data is None else data
        self.image = clean
        statistics = background_statistics(data['image'], data['mask'])
        self.clean = normalize(clean, *statistics)
        self.alpha_bar = trained.alphas_cumprod
        self.kind = trained.config.prediction_type
        self.calls = []

    def forward(self, unet_input, timestep, class_labels):
        self.calls.append((int(timestep), class_labels, unet_input))
        channels = self.clean.shape[1]
        noisy = unet_input[:, :channels]
        signal = self.alpha_bar[timestep].sqrt()
        spread = (1 - self.alpha_bar[timestep]).sqrt()
        noise = (noisy - signal * self.clean) / spread
        prediction = {
            'v_prediction': signal * noise - spread * self.clean,
            'epsilon': noise,
            'sample': self.clean,
        }[self.kind]
        return type('Output', (), dict(sample=prediction))


def clean_windows(number=2, size=16):
    generator = torch.Generator().manual_seed(42)
    return torch.rand(number, 1, size, size, generator=generator) * 1.9 - 0.95
