"""Chapter 2, customer satisfaction (客户的满意): what customers say, and how far it holds."""

from crmlab.satisfaction.asking_again import follow_up
from crmlab.satisfaction.closed_loop import closed_loop
from crmlab.satisfaction.differences import score_differences
from crmlab.satisfaction.disconfirmation import disconfirmation
from crmlab.satisfaction.drivers import drivers
from crmlab.satisfaction.employees import employees
from crmlab.satisfaction.expectations import expectations
from crmlab.satisfaction.experiment import compare_samples
from crmlab.satisfaction.importance import importance_performance
from crmlab.satisfaction.index import explore_weights, index_of, satisfaction_index
from crmlab.satisfaction.kano import evaluation_table, explore_kano, kano
from crmlab.satisfaction.net_promoter import nps, nps_error, nps_interval, nps_of
from crmlab.satisfaction.nonresponse import nonresponse_bias
from crmlab.satisfaction.over_time import explore_smoothing, satisfaction_chart
from crmlab.satisfaction.quality_kinds import quality_kinds
from crmlab.satisfaction.questionnaire import questionnaire
from crmlab.satisfaction.reliability import reliability
from crmlab.satisfaction.response import response_rates
from crmlab.satisfaction.responses import item_names, items, responses, wide
from crmlab.satisfaction.sampling import (
    allocate,
    explore_sample_size,
    margin_of_error,
    sample_plan,
    sample_size,
    sample_size_mean,
)
from crmlab.satisfaction.scores import csat
from crmlab.satisfaction.service_change import service_change
from crmlab.satisfaction.servperf import difference_reliability, explained, servperf
from crmlab.satisfaction.servqual import gap_table, servqual
from crmlab.satisfaction.seven_ways import seven_ways, ways
from crmlab.satisfaction.structure import scree, structure
from crmlab.satisfaction.weights import weighting, weights_put_to_test
from crmlab.satisfaction.what_if import explore_what_if, what_if
from crmlab.satisfaction.wording import design_check, wording_rules
from crmlab.stats.relative_importance import lmg

__all__ = [
    "allocate",
    "closed_loop",
    "compare_samples",
    "csat",
    "design_check",
    "difference_reliability",
    "disconfirmation",
    "drivers",
    "employees",
    "evaluation_table",
    "expectations",
    "explained",
    "explore_kano",
    "explore_sample_size",
    "explore_smoothing",
    "explore_weights",
    "explore_what_if",
    "follow_up",
    "gap_table",
    "importance_performance",
    "index_of",
    "item_names",
    "items",
    "kano",
    "lmg",
    "margin_of_error",
    "nonresponse_bias",
    "nps",
    "nps_error",
    "nps_interval",
    "nps_of",
    "quality_kinds",
    "questionnaire",
    "reliability",
    "response_rates",
    "responses",
    "sample_plan",
    "sample_size",
    "sample_size_mean",
    "satisfaction_chart",
    "satisfaction_index",
    "score_differences",
    "scree",
    "service_change",
    "servperf",
    "servqual",
    "seven_ways",
    "structure",
    "ways",
    "weighting",
    "weights_put_to_test",
    "what_if",
    "wide",
    "wording_rules",
]
