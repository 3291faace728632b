# data.py, and the detector is an average of its weights.
_base_ = './data.py'

averaged_weights = dict(
    type='EMAHook',
    # Averages over about 500 iterations; over fewer at the beginning.
    ema_type='ExpMomentumEMA',
    momentum=0.002,
    gamma=200,
    # The statistics of batch norm too, not those of the latest weights.
    update_buffers=True,
)
custom_hooks = [averaged_weights]
