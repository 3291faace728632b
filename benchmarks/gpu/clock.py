"""How much time a part has left."""

import time
from dataclasses import dataclass

from benchmarks.gpu.results import Results, Row


@dataclass
class Clock:
    """Time of one part.

    Attributes:
        part (str): Its name.
        until (float): When it has to be done, in seconds of ``time.time()``.
        results (Results): Where it is written what there was no time for.
    """

    part: str
    until: float
    results: Results

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.until - time.time()

    def allows(self, name: str, seconds: float) -> bool:
        """Whether there is time for a measurement; says so, if not.

        Args:
            name (str): The measurement.
            seconds (float): What it may take.
        """
        if self.left >= seconds:
            self.results.say(
                f'   {self.part}: {name} ({self.left:.0f} s left)'
            )
            return True
        how = f'no time left: it may take {seconds:.0f} s'
        self.results.add(Row(self.part, name, None, how=how))
        return False
