"""Chapter 3, customer loyalty (客户的忠诚): who comes back, for how long, and what brings them."""

from crmlab.loyalty.alive import Alive, alive
from crmlab.loyalty.alive_check import AliveCheck, alive_check
from crmlab.loyalty.clv_explorer import explore_clv
from crmlab.loyalty.cohorts import Retention, retention
from crmlab.loyalty.four_cases import FourCases, four_cases
from crmlab.loyalty.future import RepeatPurchases, repeat_buying
from crmlab.loyalty.future_value import FutureValue, future_value
from crmlab.loyalty.gaps import PurchaseGaps, purchase_gaps
from crmlab.loyalty.hazards import Hazards, hazards
from crmlab.loyalty.holdout import Holdout, holdout
from crmlab.loyalty.immortal_time import ImmortalTime, immortal_time
from crmlab.loyalty.incentive_plan import incentive_plan, knapsack
from crmlab.loyalty.incidents import Incidents, incidents
from crmlab.loyalty.index_explorer import explore_loyalty_weights
from crmlab.loyalty.index_sensitivity import IndexSensitivity, index_sensitivity
from crmlab.loyalty.lifecycle import Lifecycle, incentives, lifecycle
from crmlab.loyalty.loyalty_index import LoyaltyIndex, loyalty_index
from crmlab.loyalty.loyalty_layers import LoyaltyLayers, loyalty_layers
from crmlab.loyalty.loyalty_reliability import LoyaltyReliability, loyalty_reliability
from crmlab.loyalty.loyalty_validity import LoyaltyValidity, loyalty_validity
from crmlab.loyalty.membership import Membership, membership
from crmlab.loyalty.nine_measures import index_weights, loyalty_measures
from crmlab.loyalty.offer_contrast import OfferContrast, offer_contrast
from crmlab.loyalty.offer_timing import OfferTiming, offer_timing
from crmlab.loyalty.offers import Offers, offers
from crmlab.loyalty.points import PointsProgramme, points_programme
from crmlab.loyalty.points_explorer import explore_points
from crmlab.loyalty.price import PriceResponse, price_response
from crmlab.loyalty.price_pooling import (
    PriceByCustomer,
    customer_elasticities,
    price_by_customer,
)
from crmlab.loyalty.renewal import ContractRenewal, renewal
from crmlab.loyalty.repeat import RepeatPurchase, repeat_purchase
from crmlab.loyalty.satisfaction_link import SatisfactionLink, satisfaction_link
from crmlab.loyalty.scorecard import Scorecard, scorecard
from crmlab.loyalty.spend import SpendPerPurchase, spend
from crmlab.loyalty.stage_moves import StageMoves, stage_moves
from crmlab.loyalty.stages import lifecycle_rules
from crmlab.loyalty.survival import Survival, survival
from crmlab.loyalty.van_westendorp import PriceMeter, van_westendorp

__all__ = [
    "Alive",
    "AliveCheck",
    "ContractRenewal",
    "FourCases",
    "FutureValue",
    "Hazards",
    "Holdout",
    "ImmortalTime",
    "Incidents",
    "IndexSensitivity",
    "Lifecycle",
    "LoyaltyIndex",
    "LoyaltyLayers",
    "LoyaltyReliability",
    "LoyaltyValidity",
    "Membership",
    "OfferContrast",
    "OfferTiming",
    "Offers",
    "PointsProgramme",
    "PriceByCustomer",
    "PriceMeter",
    "PriceResponse",
    "PurchaseGaps",
    "RepeatPurchase",
    "RepeatPurchases",
    "Retention",
    "SatisfactionLink",
    "Scorecard",
    "SpendPerPurchase",
    "StageMoves",
    "Survival",
    "alive",
    "alive_check",
    "customer_elasticities",
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
