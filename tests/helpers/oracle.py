"""A U-Net that knows the clean windows, and windows to ask it about."""

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
    """Knows the clean windows and answers with the exact v (or noise)."""

    def __init__(self, clean, trained, data=None):
        super().__init__()
        data = batch(len(clean), clean.shape[-1]) if data is None else data
        self.image = clean
        ground = background_statistics(data['image'], data['mask'])
        self.clean = normalize(clean, *ground)
        self.alpha_bar = trained.alphas_cumprod
        self.kind = trained.config.prediction_type
        self.calls = []

    def forward(self, shown, timestep, class_labels):
        self.calls.append((int(timestep), class_labels, shown))
        channels = self.clean.shape[1]
        noisy = shown[:, :channels]
        signal = self.alpha_bar[timestep].sqrt()
        spread = (1 - self.alpha_bar[timestep]).sqrt()
        noise = (noisy - signal * self.clean) / spread
        answer = {
            'v_prediction': signal * noise - spread * self.clean,
            'epsilon': noise,
            'sample': self.clean,
        }[self.kind]
        return type('Output', (), dict(sample=answer))


def clean_windows(number=2, size=16):
    generator = torch.Generator().manual_seed(42)
    return torch.rand(number, 1, size, size, generator=generator) * 1.9 - 0.95
