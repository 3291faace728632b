"""mmagic: its runner samples our generator, its metrics score the windows.

Its ``DenoisingUnet`` can be the network of :class:`DefectDDPM`, too. mmagic
1.2.0 works with the classic stack alone; with others, importing this says
which versions are needed.
"""

from ...utils.requirements import check_mmagic, mmagic_error

check_mmagic()
try:
    import mmagic.models  # noqa: F401  registers what configs name
except (ImportError, AttributeError, AssertionError) as error:
    first = (str(error).splitlines() or [''])[0]
    reason = f'importing it fails: {type(error).__name__} {first}'
    raise mmagic_error(reason) from error

from .denoising_unet import MMagicDenoisingUnet  # noqa: E402
from .real_windows import RealDefectWindows  # noqa: E402
from .sampler import DefectDDPMSampler  # noqa: E402

__all__ = ['DefectDDPMSampler', 'MMagicDenoisingUnet', 'RealDefectWindows']
