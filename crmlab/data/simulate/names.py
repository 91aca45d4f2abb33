"""Names of customers, regions, routes, goods; all invented."""

from __future__ import annotations

import numpy as np

COMPANY_ZH = "鹭桥联运物流"

REGIONS = ("East", "South", "North", "Central", "Southwest", "Northeast")
REGIONS_ZH = ("华东", "华南", "华北", "华中", "西南", "东北")
LINES = ("Parcel", "LTL", "FTL", "Cold chain", "Warehousing")
LINES_ZH = ("快递", "零担", "整车", "冷链", "仓储")
UNITS = ("parcel", "t", "t", "t", "pallet")
INDUSTRIES = ("E-commerce", "Food", "Textiles", "Electronics", "Machinery", "Medicine", "Furniture")
TIERS = ("general", "potential", "key")
TYPES = ("economic", "ethical", "personalised", "convenience")
#: Four routes a region, R01 to R24.
ROUTES = tuple(f"R{number:02d}" for number in range(1, 25))

_CITIES = (
    "上海 杭州 苏州 宁波 南京 合肥",
    "广州 深圳 东莞 佛山 厦门 南宁",
    "北京 天津 石家庄 济南 太原 青岛",
    "武汉 长沙 郑州 南昌 襄阳 株洲",
    "成都 重庆 昆明 贵阳 绵阳 遵义",
    "沈阳 大连 长春 哈尔滨 鞍山 吉林",
)
_FIRST = "云瑞恒佳远鼎晟博安泽锦凯润启盈嘉誉宏诚卓"
_SECOND = "川禾辰岭舟渡牧棠序澜笙樾屿朗穗垣"
_TRADE = ("电商", "食品", "纺织", "电子", "机械", "医药", "家居")
_FORM = ("有限公司", "贸易有限公司", "科技有限公司", "实业有限公司", "商行")
_WORDS = (
    "Maple",
    "Harbour",
    "Silver",
    "Orchid",
    "Summit",
    "Lantern",
    "Cedar",
    "Willow",
    "Pacific",
    "Juniper",
)
_WORDS_2 = ("Ridge", "Lane", "Gate", "Field", "Stone", "Bay", "Crest", "Brook")
_TRADE_EN = ("Online", "Foods", "Textiles", "Electronics", "Machinery", "Pharma", "Furniture")
_FORM_EN = ("Ltd", "Co., Ltd", "Trading", "Group")
INTERNAL = ("采购部", "市场部", "设备部", "信息部", "行政部", "财务部")


def customer_names(
    rng: np.random.Generator, region: np.ndarray, industry: np.ndarray, english: np.ndarray
) -> list[str]:
    """A name for each customer; some names are alike, as in life."""
    cities = [group.split() for group in _CITIES]
    draws = rng.integers(0, 1_000_000, (len(region), 4))
    names = []
    for row, (where, trade, foreign) in enumerate(zip(region, industry, english, strict=True)):
        a, b, c, d = (int(draw) for draw in draws[row])
        if foreign:
            brand = f"{_WORDS[a % len(_WORDS)]} {_WORDS_2[b % len(_WORDS_2)]}"
            names.append(f"{brand} {_TRADE_EN[trade]} {_FORM_EN[d % len(_FORM_EN)]}")
        else:
            brand = _FIRST[a % len(_FIRST)] + _SECOND[b % len(_SECOND)]
            names.append(f"{cities[where][c % 6]}{brand}{_TRADE[trade]}{_FORM[d % len(_FORM)]}")
    return names
