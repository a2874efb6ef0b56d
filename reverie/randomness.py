"""One kind of generator everywhere: numpy's counter-based Philox, keyed by whole numbers, so that nothing depends on global state."""

import numpy as np

WORD = (1 << 64) - 1


def generator(first: int, second: int = 0, counter: int = 0) -> np.random.Generator:
    """The stream of (first, second) at `counter`; any whole numbers, taken modulo 2**64 (so negative ones are fine)."""
    key = np.array([first & WORD, second & WORD], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, counter & WORD], np.uint64)))
