# The same with synthesized defects besides.
_base_ = './faster-rcnn_scenes-kinds.py'

work_dir = 'work_dirs/demo/faster-rcnn_scenes-kinds_ddpm'
stages = dict(
    generator=dict(config='demo/ddpm_unet32.py'),
    bank=dict(num=200, max_window=96),
)
