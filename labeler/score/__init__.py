"""Predictions against truth, as numbers with intervals. Pure functions; one metric a file."""

from labeler.score.auprc import auprc
from labeler.score.average import Average, average, paired_difference
from labeler.score.bootstrap import percentile_interval, replicate
from labeler.score.classes import resampling_classes
from labeler.score.estimate import Estimate, State
from labeler.score.moments import moments, pearson
from labeler.score.null import null_mean, null_percentile
from labeler.score.simulation import simulation
from labeler.score.top_and_random import simulation_top_and_random
from labeler.score.variance_explained import explained, fit

__all__ = [
    "Average",
    "Estimate",
    "State",
    "auprc",
    "average",
    "explained",
    "fit",
    "moments",
    "null_mean",
    "null_percentile",
    "paired_difference",
    "pearson",
    "percentile_interval",
    "replicate",
    "resampling_classes",
    "simulation",
    "simulation_top_and_random",
]
