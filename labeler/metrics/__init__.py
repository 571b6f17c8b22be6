"""Predictions against truth, as numbers with intervals. Pure functions; one metric a file."""

from labeler.metrics.auc import area, auc
from labeler.metrics.auprc import auprc
from labeler.metrics.bootstrap import percentile_interval, replicate, resampling_classes
from labeler.metrics.correlation import simulation, simulation_top_and_random
from labeler.metrics.estimate import (
    FEW,
    LEFT_OUT,
    ONE_HALF,
    QUIET,
    SURE,
    TOO_FEW,
    Estimate,
    State,
    doubt,
    few_first,
    left_out,
    mean_interval,
    why_imprecise,
)
from labeler.metrics.means import LEAST, Average, average, null_mean, null_percentile, paired_difference
from labeler.metrics.moments import moments, pearson
from labeler.metrics.proportions import balanced_accuracy, guessing_percentile, share
from labeler.metrics.variance_explained import explained, fit, variance_explained

__all__ = [
    "FEW",
    "LEAST",
    "LEFT_OUT",
    "ONE_HALF",
    "QUIET",
    "SURE",
    "TOO_FEW",
    "Average",
    "Estimate",
    "State",
    "area",
    "auc",
    "auprc",
    "average",
    "balanced_accuracy",
    "doubt",
    "explained",
    "few_first",
    "fit",
    "guessing_percentile",
    "left_out",
    "mean_interval",
    "moments",
    "null_mean",
    "null_percentile",
    "paired_difference",
    "pearson",
    "percentile_interval",
    "replicate",
    "resampling_classes",
    "share",
    "simulation",
    "simulation_top_and_random",
    "variance_explained",
    "why_imprecise",
]
