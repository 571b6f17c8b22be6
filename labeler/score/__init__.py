"""Predictions against truth, as numbers with intervals. Pure functions; one metric a file."""

from labeler.score.auc import area, auc
from labeler.score.auprc import auprc
from labeler.score.average import LEAST, Average, average, paired_difference
from labeler.score.balanced_accuracy import balanced_accuracy
from labeler.score.bootstrap import percentile_interval, replicate
from labeler.score.classes import resampling_classes
from labeler.score.estimate import (
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
from labeler.score.moments import moments, pearson
from labeler.score.null import null_mean, null_percentile
from labeler.score.share import guessing_percentile, share
from labeler.score.simulation import simulation
from labeler.score.top_and_random import simulation_top_and_random
from labeler.score.variance_explained import explained, fit, variance_explained

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
