"""Chapter 3, customer loyalty (客户的忠诚): who comes back, for how long, and what brings them."""

from crmlab.loyalty.alive import alive
from crmlab.loyalty.alive_check import alive_check
from crmlab.loyalty.clv_explorer import explore_clv
from crmlab.loyalty.cohorts import retention
from crmlab.loyalty.events import events
from crmlab.loyalty.four_cases import four_cases
from crmlab.loyalty.future import repeat_buying
from crmlab.loyalty.future_value import future_value
from crmlab.loyalty.gaps import purchase_gaps
from crmlab.loyalty.hazards import hazards
from crmlab.loyalty.holdout import holdout
from crmlab.loyalty.immortal_time import immortal_time
from crmlab.loyalty.incentive_plan import incentive_plan, knapsack
from crmlab.loyalty.incidents import incidents
from crmlab.loyalty.index_explorer import explore_loyalty_weights
from crmlab.loyalty.index_sensitivity import index_sensitivity
from crmlab.loyalty.lifecycle import incentives, lifecycle
from crmlab.loyalty.loyalty_index import loyalty_index
from crmlab.loyalty.loyalty_layers import loyalty_layers
from crmlab.loyalty.loyalty_reliability import loyalty_reliability
from crmlab.loyalty.loyalty_validity import loyalty_validity
from crmlab.loyalty.membership import membership
from crmlab.loyalty.nine_measures import index_weights, loyalty_measures
from crmlab.loyalty.offer_contrast import offer_contrast
from crmlab.loyalty.offer_timing import offer_timing
from crmlab.loyalty.offers import offers
from crmlab.loyalty.points import points_programme
from crmlab.loyalty.points_explorer import explore_points
from crmlab.loyalty.price import price_response
from crmlab.loyalty.price_pooling import customer_elasticities, price_by_customer
from crmlab.loyalty.purchases import customer_months, known_since
from crmlab.loyalty.renewal import renewal
from crmlab.loyalty.repeat import repeat_purchase
from crmlab.loyalty.satisfaction_link import satisfaction_link
from crmlab.loyalty.scorecard import scorecard
from crmlab.loyalty.spend import spend
from crmlab.loyalty.stage_moves import stage_moves
from crmlab.loyalty.stages import lifecycle_rules
from crmlab.loyalty.survival import survival
from crmlab.loyalty.van_westendorp import van_westendorp

__all__ = [
    "alive",
    "alive_check",
    "customer_elasticities",
    "customer_months",
    "events",
    "explore_clv",
    "explore_loyalty_weights",
    "explore_points",
    "four_cases",
    "future_value",
    "hazards",
    "holdout",
    "immortal_time",
    "incentive_plan",
    "incentives",
    "incidents",
    "index_sensitivity",
    "index_weights",
    "knapsack",
    "known_since",
    "lifecycle",
    "lifecycle_rules",
    "loyalty_index",
    "loyalty_layers",
    "loyalty_measures",
    "loyalty_reliability",
    "loyalty_validity",
    "membership",
    "offer_contrast",
    "offer_timing",
    "offers",
    "points_programme",
    "price_by_customer",
    "price_response",
    "purchase_gaps",
    "renewal",
    "repeat_buying",
    "repeat_purchase",
    "retention",
    "satisfaction_link",
    "scorecard",
    "spend",
    "stage_moves",
    "survival",
    "van_westendorp",
]
