"""Which detectors of MMDetection take the one line, tried one by one."""
