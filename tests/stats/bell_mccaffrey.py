"""Bell and McCaffrey's covariance by its definition in matrices, to check the short cuts by."""

import numpy as np
from scipy import linalg


def bell_mccaffrey(values, design, clusters):
    """Covariance of a regression, the residuals of each cluster times (I - H)^(-1/2)."""
    bread = np.linalg.inv(design.T @ design)
    left = values - design @ bread @ design.T @ values
    meat = np.zeros((design.shape[1],) * 2)
    for own in (clusters == one for one in np.unique(clusters)):
        hat = design[own] @ bread @ design[own].T
        root = linalg.fractional_matrix_power(np.eye(len(hat)) - hat, -0.5).real
        pull = design[own].T @ root @ left[own]
        meat += np.outer(pull, pull)
    return bread @ meat @ bread
