# The detector is an average of its weights. The learning rate can stay: the
# average does what a falling rate does elsewhere, and a run can go on where it
# ended.
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
