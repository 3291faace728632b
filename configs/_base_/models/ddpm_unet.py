model = dict(
    type='mmdet_ddpm_moco.DefectDDPM',
    num_classes=None,
    channels=1,
    unet=dict(
        block_out_channels=(64, 128, 256, 256),
        down_block_types=('DownBlock2D',) * 4,
        up_block_types=('UpBlock2D',) * 4,
        layers_per_block=2,
        attention_head_dim=32,
    ),
)
