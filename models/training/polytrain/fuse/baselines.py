# SPDX-License-Identifier: Apache-2.0
"""Ways of joining that need no network: each gives a logit for each row of `rows.Segments.last`."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from .rows import PARTS


def told(rows):
    """Logits and masks of the parts."""
    return rows[:, 0 : 2 * len(PARTS) : 2], rows[:, 1 : 2 * len(PARTS) : 2] > 0


def part(name):
    """One part alone; 0 where it is not told."""
    at = PARTS.index(name)
    return lambda rows: np.where(told(rows)[1][:, at], told(rows)[0][:, at], 0.0)


def highest(rows):
    """The most suspicious part; 0 where none is told."""
    logits, masks = told(rows)
    found = np.where(masks, logits, -np.inf).max(1)
    return np.where(np.isfinite(found), found, 0.0)


def noisy_or(rows, without=()):
    """As the product does it (polygraph-core, fusion.rs), with the parts at the prior at which they are at even odds together."""
    logits, masks = told(rows)
    masks = masks.copy()
    for name in without:
        masks[:, PARTS.index(name)] = False
    count = np.maximum(masks.sum(1), 1)
    prior = 1 - 0.5 ** (1 / count)
    shifted = logits + np.log(prior / (1 - prior))[:, None]
    # log(1 - p) is -log(1 + e^logit).
    doubt = np.where(masks, np.logaddexp(0, shifted), 0).sum(1)
    p = np.clip(-np.expm1(-doubt), 1e-9, 1 - 1e-9)
    return np.where(masks.any(1), np.log(p) - np.log1p(-p), 0.0)


class Logistic:
    """Logistic regression on logits and masks, both classes weighing the same."""

    def __init__(self, rows, labels):
        self.model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(self.columns(rows), labels)

    @staticmethod
    def columns(rows):
        return rows[:, : 2 * len(PARTS)]

    def __call__(self, rows):
        return self.model.decision_function(self.columns(rows))
