"""The diffusion model and the contrastive model."""
