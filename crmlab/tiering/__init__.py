"""Chapter 5, customer tiering (客户分级): who the customers are that a company lives on."""

from crmlab.tiering.abc_classes import abc_classes
from crmlab.tiering.ahp import ahp, consistency_ratio, default_comparisons
from crmlab.tiering.clusters import clusters, silhouette
from crmlab.tiering.concentration import explore_top_share, lorenz
from crmlab.tiering.key_accounts import key_accounts
from crmlab.tiering.layers import layers
from crmlab.tiering.lifetime_value import clv, margin_multiple
from crmlab.tiering.migration import migration
from crmlab.tiering.policy import policy
from crmlab.tiering.practices import practice_rules, practices
from crmlab.tiering.priority import explore_waits, priority
from crmlab.tiering.profit import cost_to_serve
from crmlab.tiering.promises import promise_cost, service_promises
from crmlab.tiering.rfm import rfm, rfm_rules, rfm_scores, rfm_segments
from crmlab.tiering.scores import weighted_scores
from crmlab.tiering.segmentation import segmentation
from crmlab.tiering.service import on_time
from crmlab.tiering.shares import gini, top_shares
from crmlab.tiering.thresholds import explore_thresholds, thresholds
from crmlab.tiering.tier_report import tier_report
from crmlab.tiering.unprofitable import unprofitable_large
from crmlab.tiering.whale import whale_curve, whale_points

__all__ = [
    "abc_classes",
    "ahp",
    "clusters",
    "clv",
    "consistency_ratio",
    "cost_to_serve",
    "default_comparisons",
    "explore_thresholds",
    "explore_top_share",
    "explore_waits",
    "gini",
    "key_accounts",
    "layers",
    "lorenz",
    "margin_multiple",
    "migration",
    "on_time",
    "policy",
    "practice_rules",
    "practices",
    "priority",
    "promise_cost",
    "rfm",
    "rfm_rules",
    "rfm_scores",
    "rfm_segments",
    "segmentation",
    "service_promises",
    "silhouette",
    "thresholds",
    "tier_report",
    "top_shares",
    "unprofitable_large",
    "weighted_scores",
    "whale_curve",
    "whale_points",
]
