"""Is a step sound? Adaptive clipping and the decision to skip (after ZClip, arXiv 2504.02507).

The gradient's norm has a running mean and variance, of which clipped values are learned only. A step is clipped at mean + 3 sigma;
beyond ten times that, or if the loss or the norm is not a number, it is skipped.
"""

import math
from dataclasses import dataclass

DECAY = 0.97  # of the running mean and variance
HISTORY = 25  # steps before they are believed
BELIEVED = 3  # steps before the mean is, as far as SPIKE times it
SIGMAS = 3.0
SPIKE = 10.0  # times the limit: not to be clipped but to be skipped
TOO_MANY = 5  # skipped steps in a row: the run goes back to its last checkpoint
ROLLBACKS = 3  # without a new checkpoint between them: the run cannot go on


@dataclass
class Health:
    """What the trainer remembers about its gradients. bad: skipped steps in a row; rollbacks: since the last checkpoint."""

    mean: float = 0.0
    variance: float = 0.0
    count: int = 0
    bad: int = 0
    rollbacks: int = 0

    def limit(self) -> float:
        """The norm to clip at: mean + 3 sigma, infinite while there is little history."""
        return self.mean + SIGMAS * math.sqrt(self.variance) if self.count >= HISTORY else math.inf

    def judge(self, loss: float, norm: float) -> str:
        """Why a step with this loss and gradient norm must be skipped; empty if it is sound. Learns from sound ones."""
        limit = self.limit()
        if not math.isfinite(loss):
            reason = f"the loss is {loss}"
        elif not math.isfinite(norm):
            reason = f"the gradient norm is {norm}"
        elif norm > SPIKE * limit:
            reason = f"the gradient norm is {norm:.3g}, usual is at most {limit:.3g}"
        else:
            self._learn(min(norm, limit, SPIKE * self.mean if self.count >= BELIEVED else math.inf))
            self.bad = 0
            return ""
        self.bad += 1
        return reason

    def _learn(self, norm: float) -> None:
        self.count += 1
        keep = DECAY if self.count > HISTORY else 1 - 1 / self.count  # the plain mean of the first ones, then a running one
        difference = norm - self.mean
        self.mean += (1 - keep) * difference
        self.variance = keep * (self.variance + (1 - keep) * difference**2)
