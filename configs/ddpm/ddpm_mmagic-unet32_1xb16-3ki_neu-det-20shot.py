# The generator for NEU-DET on two CPU cores with mmagic's DenoisingUnet
# instead of diffusers' U-Net. It needs mmagic, see docs/mmagic.md.
_base_ = './ddpm_unet32_1xb16-3ki_neu-det-20shot.py'

model = dict(
    unet=dict(
        _delete_=True,
        type='mmdet_ddpm_moco.MMagicDenoisingUnet',
        denoiser=dict(
            image_size=64,
            base_channels=32,
            channels_cfg=[1, 2, 4, 4],
            resblocks_per_downsample=1,
            norm_cfg=dict(type='GN', num_groups=16),
            attention_res=[],
        ),
    )
)
