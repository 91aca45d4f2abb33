"""Chapter 4, complaints (客户的投诉): what goes wrong, how it is handled, and what to do first."""

from crmlab.complaints.agreement import agreement, label_agreement
from crmlab.complaints.backlog import backlog
from crmlab.complaints.changes import changes
from crmlab.complaints.compensation import compensation
from crmlab.complaints.control import control
from crmlab.complaints.heat_map import heat_map
from crmlab.complaints.iceberg import iceberg
from crmlab.complaints.label_noise import label_noise
from crmlab.complaints.paradox import paradox
from crmlab.complaints.pareto import pareto
from crmlab.complaints.principles import principles
from crmlab.complaints.process import process
from crmlab.complaints.rate_ratio import compare_rates
from crmlab.complaints.rates import complaint_rates
from crmlab.complaints.record import record_fields
from crmlab.complaints.recovery import recovery
from crmlab.complaints.remove_first import remove_first
from crmlab.complaints.repurchase import after_incidents
from crmlab.complaints.response_times import response_times
from crmlab.complaints.rework import rework
from crmlab.complaints.staffing import staffing
from crmlab.complaints.staffing_explorer import explore_staffing
from crmlab.complaints.taxonomy import taxonomy
from crmlab.complaints.telling_words import telling_words
from crmlab.complaints.text_classes import classify_texts
from crmlab.complaints.text_rules import classify_by_rules, keyword_rules
from crmlab.complaints.text_ways import text_ways
from crmlab.complaints.times import times
from crmlab.complaints.words import tokens

__all__ = [
    "after_incidents",
    "agreement",
    "backlog",
    "changes",
    "classify_by_rules",
    "classify_texts",
    "compare_rates",
    "compensation",
    "complaint_rates",
    "control",
    "explore_staffing",
    "heat_map",
    "iceberg",
    "keyword_rules",
    "label_agreement",
    "label_noise",
    "paradox",
    "pareto",
    "principles",
    "process",
    "record_fields",
    "recovery",
    "remove_first",
    "response_times",
    "rework",
    "staffing",
    "taxonomy",
    "telling_words",
    "text_ways",
    "times",
    "tokens",
]
