"""Chapter 5, customer tiering (客户分级): who the customers are that a company lives on."""

from crmlab.tiering.concentration import explore_top_share, lorenz
from crmlab.tiering.key_accounts import key_accounts
from crmlab.tiering.layers import layers
from crmlab.tiering.rfm import rfm, rfm_rules, rfm_scores, rfm_segments
from crmlab.tiering.service import on_time
from crmlab.tiering.shares import gini, top_shares

__all__ = [
    "explore_top_share",
    "gini",
    "key_accounts",
    "layers",
    "lorenz",
    "on_time",
    "rfm",
    "rfm_rules",
    "rfm_scores",
    "rfm_segments",
    "top_shares",
]
