"""The data model: every table and column crmlab knows, said once.

Validation, the data dictionary, ``datasets/datapackage.json``, the mapping and the labels of charts
are all derived from `TABLES`. Only a table's key is required, and a mapping may generate it; a
column that is missing disables the measures that need it, never the table.

Times are local times of the workspace's one time zone, kept without an offset. Money is in the
workspace's one currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from crmlab.errors import UnknownName
from crmlab.language import _, current_language

Type = Literal["text", "code", "integer", "number", "boolean", "datetime", "date"]
Combine = Literal["same", "sum", "min", "max", "any", "all"]


@dataclass(frozen=True)
class Column:
    """One column of the model.

    Attributes
    ----------
    name : str
    type : {"text", "code", "integer", "number", "boolean", "datetime", "date"}
        ``code`` is text out of a list of allowed values.
    label, label_zh : str
        Short label in English and in Simplified Chinese, for charts and tables.
    description : str
        What the value says, one sentence.
    unit : str
        ``"money"`` is the workspace's currency; empty where there is none.
    decimals : int or None
        Decimals written to a file; None for what is not a number.
    codes : mapping of str to (str, str)
        Allowed values, each with its English and Chinese label. Empty: anything is allowed.
    open_codes : bool
        The codes are those crmlab gives a meaning to; a user's data may hold others.
    minimum, maximum : float or None
        Bounds, inclusive.
    references : str
        ``"table.column"`` that the value points to.
    personal : bool
        Whether it is personal information (个人信息).
    known_at : str
        Time column of the same table at which the value becomes known; before it, at an earlier
        `as_of`, the value has not happened yet. A time column that is its own event names itself.
    combine : {"same", "sum", "min", "max", "any", "all"}
        How the lines of one record make one value when a mapping combines them; ``"same"`` demands
        that they agree.
    """

    name: str
    type: Type
    label: str
    label_zh: str
    description: str
    unit: str = ""
    decimals: int | None = None
    codes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    open_codes: bool = False
    minimum: float | None = None
    maximum: float | None = None
    references: str = ""
    personal: bool = False
    known_at: str = ""
    combine: Combine = "same"

    def shown(self) -> str:
        """Label in the current language.

        Examples
        --------
        >>> table("orders").column("amount").shown()
        'Amount'
        """
        return self.label_zh if current_language() == "zh_CN" else self.label

    def shown_value(self, value: object) -> str:
        """Label of one of the allowed values in the current language; other values as they are.

        Examples
        --------
        >>> table("contacts").column("channel").shown_value("phone")
        'Telephone'
        """
        labels = self.codes.get(str(value))
        if labels is None:
            return str(value)
        return labels[1] if current_language() == "zh_CN" else labels[0]


@dataclass(frozen=True)
class Table:
    """One table of the model.

    Attributes
    ----------
    name : str
    label, label_zh, description : str
    key : tuple of str
        Columns that identify a row.
    columns : tuple of Column
    starts : str
        The time column at which a record begins; records that begin after `as_of` are excluded.
        Empty for tables whose rows have no time of their own.
    follows : str
        For a table without a time of its own: ``"table.column"`` of the record its rows belong to,
        the time at which they become known.
    """

    name: str
    label: str
    label_zh: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    starts: str = ""
    follows: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises
        ------
        UnknownName
            If the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise UnknownName(
            _("The table {table} has no column {column}. It has: {names}.").format(
                table=self.name, column=name, names=", ".join(self.names)
            )
        )

    def shown(self) -> str:
        """Label in the current language."""
        return self.label_zh if current_language() == "zh_CN" else self.label


@dataclass(frozen=True)
class Item:
    """One item of the questionnaire (题项), as the workspace declares it.

    Attributes
    ----------
    item : str
        Name used in ``answers.item``.
    dimension : str
        Dimension it belongs to, such as ``"reliability"``.
    label, label_zh : str
        Wording in English and in Chinese.
    minimum, maximum : float
        Ends of its scale.
    quality : {"technical", "functional", ""}
        Whether it is about what is delivered (技术质量) or how (功能质量).
    """

    item: str
    dimension: str
    label: str = ""
    label_zh: str = ""
    minimum: float = 1
    maximum: float = 5
    quality: str = ""


@dataclass(frozen=True)
class ServiceChange:
    """A change of the service that the company made in one region.

    Attributes
    ----------
    region : str
    since : datetime.date
        Its first day.
    label, label_zh : str
        What was changed.
    """

    region: str
    since: date
    label: str = ""
    label_zh: str = ""


@dataclass(frozen=True)
class TariffChange:
    """A change of the list prices for the customers of some regions.

    Attributes
    ----------
    regions : tuple of str
        As in customers.region: it is the customer's region that decides, wherever an order goes.
    since : datetime.date
        Its first day.
    share : float or None
        By how much the list prices rise, as announced: 0.25 for a quarter; below 0 they fall.
        None: not said.
    label, label_zh : str
        What was changed.
    """

    regions: tuple[str, ...]
    since: date
    share: float | None = None
    label: str = ""
    label_zh: str = ""


@dataclass(frozen=True)
class Settings:
    """What holds for the whole workspace.

    Attributes
    ----------
    name, name_zh : str
        Name of the company or data set, and its Chinese name if it has one.
    currency : str
        ISO 4217 code.
    timezone : str
        The one IANA time zone of all times.
    as_of : datetime.date or None
        Last day that counts, inclusive; None: the latest time found in `AS_OF_COLUMNS`.
    record : {"order", "line"}
        What one row of the orders table is: a whole order, or one line of an order where the lines
        of the source are kept apart.
    sla_hours : mapping of str to float
        Promised hours to resolve a complaint, by ``"severity"`` or ``"tier.severity"``.
    activity_costs : mapping of str to float
        Money for one unit of an activity, such as ``"contact.phone"`` or ``"order.line"``.
    workdays : mapping of date to bool
        Days that depart from Monday to Friday: holidays (False) and make-up days 调休 (True).
    service_changes : tuple of ServiceChange
        Changes of the service whose effect is to be measured.
    tariff_changes : tuple of TariffChange
        Changes of the list prices to which customers' response is to be measured.
    items : tuple of Item
        The questionnaire.
    """

    name: str = ""
    name_zh: str = ""
    currency: str = "CNY"
    timezone: str = "Asia/Shanghai"
    as_of: date | None = None
    record: Literal["order", "line"] = "order"
    sla_hours: Mapping[str, float] = field(default_factory=dict)
    activity_costs: Mapping[str, float] = field(default_factory=dict)
    workdays: Mapping[date, bool] = field(default_factory=dict)
    service_changes: tuple[ServiceChange, ...] = ()
    tariff_changes: tuple[TariffChange, ...] = ()
    items: tuple[Item, ...] = ()

    def shown(self) -> str:
        """Name in the current language."""
        chinese = current_language() == "zh_CN" and self.name_zh
        return self.name_zh if chinese else self.name


_SCALE_1_5: dict[str, float] = {"minimum": 1, "maximum": 5}


def _text(name: str, label: str, label_zh: str, description: str, **more: object) -> Column:
    return Column(name, "text", label, label_zh, description, **more)  # type: ignore[arg-type]


def _code(
    name: str,
    label: str,
    label_zh: str,
    description: str,
    codes: Mapping[str, tuple[str, str]],
    **more: object,
) -> Column:
    return Column(name, "code", label, label_zh, description, codes=codes, **more)  # type: ignore[arg-type]


def _integer(name: str, label: str, label_zh: str, description: str, **more: object) -> Column:
    return Column(name, "integer", label, label_zh, description, decimals=0, **more)  # type: ignore[arg-type]


def _number(
    name: str,
    label: str,
    label_zh: str,
    description: str,
    decimals: int,
    **more: object,
) -> Column:
    return Column(name, "number", label, label_zh, description, decimals=decimals, **more)  # type: ignore[arg-type]


def _money(name: str, label: str, label_zh: str, description: str, **more: object) -> Column:
    settings: dict[str, object] = {"unit": "money", "combine": "sum"} | more
    return _number(name, label, label_zh, description, 2, **settings)


def _boolean(name: str, label: str, label_zh: str, description: str, **more: object) -> Column:
    return Column(name, "boolean", label, label_zh, description, **more)  # type: ignore[arg-type]


def _time(name: str, label: str, label_zh: str, description: str, **more: object) -> Column:
    return Column(name, "datetime", label, label_zh, description, **more)  # type: ignore[arg-type]


def _event(name: str, label: str, label_zh: str, description: str, **more: object) -> Column:
    settings: dict[str, object] = {"known_at": name, "combine": "max"} | more
    return _time(name, label, label_zh, description, **settings)


def _date(name: str, label: str, label_zh: str, description: str, **more: object) -> Column:
    return Column(name, "date", label, label_zh, description, **more)  # type: ignore[arg-type]


#: Labels of the bundled company's regions and services; a user's own may be any others.
TEAMS = {
    "sales": ("Sales", "销售"),
    "service": ("Service", "客服"),
    "complaints": ("Complaints", "投诉处理"),
    "management": ("Management", "管理"),
}
LEVELS = {
    "junior": ("Junior", "初级"),
    "experienced": ("Experienced", "资深"),
    "lead": ("Team leader", "组长"),
}
REGIONS = {
    "East": ("East", "华东"),
    "North": ("North", "华北"),
    "South": ("South", "华南"),
    "Central": ("Central", "华中"),
    "Northeast": ("Northeast", "东北"),
    "Southwest": ("Southwest", "西南"),
}

SERVICE_LINES = {
    "Cold chain": ("Cold chain", "冷链运输"),
    "FTL": ("Full truckload", "整车运输"),
    "LTL": ("Less than truckload", "零担运输"),
    "Parcel": ("Parcel", "快递"),
    "Warehousing": ("Warehousing", "仓储"),
}

TIERS = {
    "key": ("Key", "关键客户"),
    "potential": ("Potential", "潜力客户"),
    "general": ("General", "一般客户"),
}

CHANNELS = {
    "phone": ("Telephone", "电话"),
    "email": ("E-mail", "电子邮件"),
    "meeting": ("Meeting", "面谈"),
    "letter": ("Letter", "信函"),
    "wechat": ("WeChat", "微信"),
    "social": ("Social media", "社交媒体"),
    "visit": ("Visit", "上门回访"),
    "event": ("Event", "活动"),
}

PURPOSES = {
    "inquiry": ("Inquiry", "咨询问价"),
    "follow_up": ("Follow-up", "跟进反馈"),
    "thanks": ("Thanks", "致谢"),
    "delivery_check": ("Delivery check", "检查送货情况"),
    "consultation": ("Consultation", "征求意见"),
    "executive_visit": ("Executive visit", "领导访问"),
    "survey": ("Survey", "满意度调查"),
    "promotion": ("Promotion", "促销"),
    "recovery": ("Service recovery", "服务补救"),
    "collection": ("Collection", "催收账款"),
    "complaint": ("Complaint", "投诉"),
    "service": ("Service", "日常服务"),
}

CUSTOMERS = Table(
    "customers",
    "Customers",
    "客户",
    "One row per customer, internal customers included.",
    ("customer_id",),
    (
        _text("customer_id", "Customer", "客户编号", "Identifies the customer."),
        _text("name", "Name", "客户名称", "Name of the firm or person.", personal=True),
        _text("phone", "Telephone", "电话", "Telephone number.", personal=True),
        _text("email", "E-mail", "电子邮箱", "E-mail address.", personal=True),
        _text("industry", "Industry", "行业", "The customer's industry."),
        _code(
            "size",
            "Size",
            "规模",
            "Size of the customer's firm.",
            {
                "small": ("Small", "小型"),
                "medium": ("Medium", "中型"),
                "large": ("Large", "大型"),
            },
            open_codes=True,
        ),
        _code(
            "region",
            "Region",
            "地区",
            "Sales region the customer belongs to.",
            REGIONS,
            open_codes=True,
        ),
        _code(
            "scope",
            "Scope",
            "内外部",
            "Whether the customer is outside the firm or one of its own departments.",
            {
                "external": ("External", "外部客户"),
                "internal": ("Internal", "内部客户"),
            },
        ),
        _date("acquired_on", "Acquired on", "获得日期", "Day the relationship began."),
        _code(
            "acquisition_channel",
            "Acquisition channel",
            "获客渠道",
            "How the customer was won.",
            {
                "acquaintance": ("Acquaintance", "缘故法"),
                "introduction": ("Introduction", "介绍法"),
                "letter": ("Letter", "信函寻找法"),
                "advertising": ("Advertising", "广告"),
                "event": ("Event", "活动"),
                "website": ("Website", "网站"),
            },
            open_codes=True,
        ),
        _text(
            "referred_by",
            "Referred by",
            "推荐人",
            "Customer who recommended us to this one.",
            references="customers.customer_id",
        ),
        _code(
            "customer_type",
            "Customer type",
            "客户类型",
            "What the customer looks for first.",
            {
                "economic": ("Economic", "经济型"),
                "ethical": ("Ethical", "道德型"),
                "personalised": ("Personalised", "个性化"),
                "convenience": ("Convenience", "方便型"),
            },
            open_codes=True,
        ),
        _text(
            "account_manager",
            "Account manager",
            "客户经理",
            "Member of staff in charge of the customer.",
            references="staff.staff_id",
        ),
        _date(
            "contract_from",
            "Contract from",
            "合同开始",
            "First day of the frame contract.",
        ),
        _date("contract_to", "Contract to", "合同结束", "Last day of the frame contract."),
        _date(
            "member_since",
            "Member since",
            "入会日期",
            "Day of joining the points programme.",
        ),
        _money(
            "credit_limit",
            "Credit limit",
            "信用额度",
            "Largest amount that may be owed.",
            minimum=0,
            combine="same",
        ),
        _integer(
            "payment_terms_days",
            "Payment terms",
            "账期",
            "Days from invoice to payment as agreed.",
            unit="days",
            minimum=0,
        ),
        _boolean(
            "do_not_contact",
            "Do not contact",
            "谢绝联系",
            "The customer has not consented to being contacted for marketing.",
        ),
        _code(
            "tier",
            "Tier",
            "客户级别",
            "Tier given by the company; wins over a computed one.",
            TIERS,
            open_codes=True,
        ),
    ),
    starts="acquired_on",
)

ORDERS = Table(
    "orders",
    "Orders",
    "订单",
    "One row per order; a negative amount is a cancellation or refund.",
    ("order_id",),
    (
        _text("order_id", "Order", "订单编号", "Identifies the order."),
        _text(
            "customer_id",
            "Customer",
            "客户编号",
            "Who ordered.",
            references="customers.customer_id",
        ),
        _time(
            "ordered_at",
            "Ordered at",
            "下单时间",
            "When the order was placed.",
            combine="min",
        ),
        _time(
            "promised_at",
            "Promised at",
            "承诺送达时间",
            "Delivery time promised.",
            combine="max",
        ),
        _event("shipped_at", "Shipped at", "发货时间", "When the goods left."),
        _event("delivered_at", "Delivered at", "送达时间", "When the goods arrived."),
        _boolean(
            "on_time",
            "On time",
            "准时",
            "Whether it arrived by the time promised; where not given, delivered_at is "
            "compared with promised_at.",
            known_at="delivered_at",
            combine="all",
        ),
        _code("region", "Region", "地区", "Region served.", REGIONS, open_codes=True),
        _code(
            "service_line",
            "Service line",
            "业务类型",
            "Service or product ordered.",
            SERVICE_LINES,
            open_codes=True,
        ),
        _text("route", "Route", "线路", "Route of the transport."),
        _money(
            "amount",
            "Amount",
            "金额",
            "What is charged; negative for a cancellation or refund.",
        ),
        _money("list_price", "List price", "标价", "Price before any discount."),
        _money("discount", "Discount", "折扣额", "Money taken off the list price."),
        _money("cost", "Direct cost", "直接成本", "Direct cost of carrying out the order."),
        _text(
            "promotion",
            "Promotion",
            "促销活动",
            "Campaign whose offer was used; empty if none.",
        ),
        _number(
            "quantity_ordered",
            "Quantity ordered",
            "订购数量",
            "Quantity ordered.",
            3,
            combine="sum",
        ),
        _number(
            "quantity_delivered",
            "Quantity delivered",
            "交付数量",
            "Quantity that arrived.",
            3,
            known_at="delivered_at",
            combine="sum",
        ),
        _text("unit", "Unit", "单位", "Unit of the quantities."),
        _boolean(
            "damaged",
            "Damaged",
            "货损",
            "Whether goods were damaged.",
            known_at="delivered_at",
            combine="any",
        ),
        _boolean(
            "documents_ok",
            "Documents correct",
            "单证正确",
            "Whether the documents were right.",
            known_at="delivered_at",
            combine="all",
        ),
        _integer(
            "points_earned",
            "Points earned",
            "获得积分",
            "Points credited.",
            unit="points",
            combine="sum",
        ),
        _integer(
            "points_redeemed",
            "Points redeemed",
            "兑换积分",
            "Points used up.",
            unit="points",
            combine="sum",
        ),
        _event("invoiced_at", "Invoiced at", "开票日期", "When the invoice was sent."),
        _time("due_at", "Due at", "付款期限", "When payment is due.", combine="max"),
        _event("paid_at", "Paid at", "付款日期", "When the invoice was paid."),
        _integer(
            "lines",
            "Lines",
            "订单行数",
            "Number of lines of the source that make up the order.",
            minimum=1,
            combine="sum",
        ),
    ),
    starts="ordered_at",
)

CONTACTS = Table(
    "contacts",
    "Contacts",
    "联系记录",
    "One row per contact between the company and a customer, in either direction.",
    ("contact_id",),
    (
        _text("contact_id", "Contact", "联系编号", "Identifies the contact."),
        _text(
            "customer_id",
            "Customer",
            "客户编号",
            "With whom.",
            references="customers.customer_id",
        ),
        _text(
            "order_id",
            "Order",
            "订单编号",
            "Order it is about.",
            references="orders.order_id",
        ),
        _text(
            "complaint_id",
            "Complaint",
            "投诉编号",
            "Complaint it belongs to.",
            references="complaints.complaint_id",
        ),
        _text(
            "in_reply_to",
            "In reply to",
            "回复的联系",
            "Contact that this one answers.",
            references="contacts.contact_id",
        ),
        _time(
            "contacted_at",
            "Contacted at",
            "联系时间",
            "When it took place.",
            combine="min",
        ),
        _code(
            "direction",
            "Direction",
            "方向",
            "Who started it.",
            {"inbound": ("Inbound", "客户来联"), "outbound": ("Outbound", "主动联系")},
        ),
        _code("channel", "Channel", "沟通渠道", "Channel used.", CHANNELS, open_codes=True),
        _code(
            "purpose",
            "Purpose",
            "沟通目的",
            "What it was for.",
            PURPOSES,
            open_codes=True,
        ),
        _text(
            "staff_id",
            "Staff",
            "员工编号",
            "Who of us took part.",
            references="staff.staff_id",
        ),
        _boolean(
            "needs_answer",
            "Needs an answer",
            "需要答复",
            "Whether an answer is expected of us.",
        ),
        _time("planned_for", "Planned for", "计划日期", "Day planned in the visit plan."),
        _event(
            "responded_at",
            "Responded at",
            "答复时间",
            "Inbound: our answer; outbound: the customer's reply.",
        ),
        _text("campaign", "Campaign", "营销活动", "Campaign it belongs to."),
        _text("variant", "Variant", "版本", "Version of the message, in a test."),
        _text(
            "message",
            "Message",
            "内容",
            "What was written or noted down.",
            personal=True,
        ),
    ),
    starts="contacted_at",
)

_ANSWER = {"minimum": 1, "maximum": 5, "known_at": "answered_at"}

SURVEYS = Table(
    "surveys",
    "Surveys",
    "满意度调查",
    "One row per questionnaire sent, answered or not.",
    ("response_id",),
    (
        _text("response_id", "Response", "问卷编号", "Identifies the questionnaire sent."),
        _text(
            "customer_id",
            "Customer",
            "客户编号",
            "To whom.",
            references="customers.customer_id",
        ),
        _text(
            "order_id",
            "Order",
            "订单编号",
            "Order asked about.",
            references="orders.order_id",
        ),
        _time("sent_at", "Sent at", "发出时间", "When it was sent.", combine="min"),
        _event(
            "answered_at",
            "Answered at",
            "答复时间",
            "When it came back; empty if it did not.",
        ),
        _code(
            "mode",
            "Mode",
            "调查方式",
            "How the customer came to be asked.",
            {
                "sample": ("Random sample", "随机抽样"),
                "call_centre": ("Call centre", "呼叫中心"),
                "follow_up": ("Follow-up of non-respondents", "未答复者追踪"),
            },
            open_codes=True,
        ),
        _text("wave", "Wave", "调查批次", "Wave of the survey."),
        _text("stratum", "Stratum", "层", "Stratum it was drawn from."),
        _number("weight", "Weight", "权重", "Design weight.", 4, minimum=0),
        _integer(
            "overall",
            "Overall satisfaction",
            "总体满意度",
            "Overall satisfaction.",
            unit="1–5",
            **_ANSWER,
        ),
        _integer(
            "recommend",
            "Recommendation",
            "推荐意愿",
            "How likely to recommend us.",
            unit="0–10",
            minimum=0,
            maximum=10,
            known_at="answered_at",
        ),
        _integer(
            "repurchase_intention",
            "Repurchase intention",
            "重复购买意向",
            "Means to buy again.",
            unit="1–5",
            **_ANSWER,
        ),
        _integer(
            "incident_tolerance",
            "Tolerance of incidents",
            "质量事故承受力",
            "Would forgive a quality incident.",
            unit="1–5",
            **_ANSWER,
        ),
        _integer(
            "competitor_attention",
            "Attention to competitors",
            "对竞争品牌的关注",
            "Attention paid to competing brands.",
            unit="1–5",
            **_ANSWER,
        ),
        _integer(
            "brand_attention",
            "Attention to our brand",
            "对本品牌的关注",
            "Attention paid to our brand.",
            unit="1–5",
            **_ANSWER,
        ),
        _integer(
            "identification",
            "Identification",
            "认同度",
            "Identifies with our service.",
            unit="1–5",
            **_ANSWER,
        ),
        _number(
            "share_of_needs",
            "Share of needs met",
            "需求满足率",
            "Share of the customer's logistics needs bought from us.",
            2,
            unit="share",
            minimum=0,
            maximum=1,
            known_at="answered_at",
        ),
        _number(
            "decision_days",
            "Time taken to choose",
            "挑选时间",
            "Days the customer took to choose.",
            1,
            unit="days",
            minimum=0,
            known_at="answered_at",
        ),
    ),
    starts="sent_at",
)

ANSWERS = Table(
    "answers",
    "Answers",
    "问卷答案",
    "One row per item of an answered questionnaire and aspect asked.",
    ("response_id", "item", "aspect"),
    (
        _text(
            "response_id",
            "Response",
            "问卷编号",
            "Questionnaire.",
            references="surveys.response_id",
        ),
        _text("item", "Item", "题项", "Item of the instrument, declared in the workspace."),
        _code(
            "aspect",
            "Aspect",
            "方面",
            "What was asked about the item.",
            {
                "expectation": ("Expectation", "期望"),
                "perception": ("Perception", "感知"),
                "importance": ("Importance", "重要性"),
                "functional": ("If it is there", "具备时"),
                "dysfunctional": ("If it is missing", "不具备时"),
                "price": ("Price", "价格"),
            },
        ),
        _number("value", "Value", "得分", "The answer, on the item's scale.", 2),
    ),
    follows="surveys.answered_at",
)

COMPLAINTS = Table(
    "complaints",
    "Complaints",
    "投诉",
    "One row per complaint or suggestion.",
    ("complaint_id",),
    (
        _text("complaint_id", "Complaint", "投诉编号", "Identifies the complaint."),
        _text(
            "customer_id",
            "Customer",
            "客户编号",
            "Who complained.",
            references="customers.customer_id",
        ),
        _text(
            "order_id",
            "Order",
            "订单编号",
            "Order complained of.",
            references="orders.order_id",
        ),
        _time("opened_at", "Opened at", "投诉时间", "When it came in.", combine="min"),
        _time("due_at", "Due at", "处理时限", "When it must be resolved.", combine="max"),
        _event(
            "first_response_at",
            "First response at",
            "首次答复时间",
            "First answer to the customer.",
        ),
        _event("accepted_at", "Accepted at", "受理时间", "When it was accepted (受理)."),
        _event(
            "investigated_at",
            "Investigated at",
            "调查完成时间",
            "When the investigation ended (调查).",
        ),
        _event(
            "negotiated_at",
            "Negotiated at",
            "协商完成时间",
            "When the settlement was agreed (协商).",
        ),
        _event("resolved_at", "Resolved at", "解决时间", "When it was resolved (解决)."),
        _event(
            "followed_up_at",
            "Followed up at",
            "跟踪反馈时间",
            "When the customer was asked again (跟踪反馈).",
        ),
        _event("reopened_at", "Reopened at", "重新投诉时间", "When it was opened again."),
        _code(
            "kind",
            "Kind",
            "投诉类型",
            "One of the course's four kinds.",
            {
                "sales_contract": ("Sales contract", "购销合同投诉"),
                "transport": ("Freight transport", "货物运输投诉"),
                "service": ("Service", "服务投诉"),
                "suggestion": ("Suggestion", "客户提案与建议"),
            },
            open_codes=True,
        ),
        _code(
            "cause",
            "Cause",
            "投诉原因",
            "What lay behind it.",
            {
                "price_change": ("Price change", "价格变动"),
                "late_delivery": ("Late delivery", "交货延迟"),
                "installation": ("Installation not done well", "安装服务不到位"),
                "promotion_information": (
                    "Lack of promotion information",
                    "促销信息缺乏",
                ),
                "payment_credit": ("Payment and credit", "付款信誉不佳"),
                "training": ("Lack of training", "培训不足"),
                "damage": ("Damaged goods", "货物破损"),
                "short_delivery": ("Short delivery", "数量短缺"),
                "documents": ("Wrong documents", "单证差错"),
                "attitude": ("Staff attitude", "服务态度"),
                "suggestion": ("Suggestion", "提案与建议"),
            },
            open_codes=True,
        ),
        _code(
            "severity",
            "Severity",
            "严重程度",
            "How grave it is.",
            {
                "low": ("Low", "轻微"),
                "medium": ("Medium", "一般"),
                "high": ("High", "严重"),
            },
            open_codes=True,
        ),
        _code(
            "channel",
            "Channel",
            "投诉渠道",
            "Channel it came by.",
            CHANNELS,
            open_codes=True,
        ),
        _text(
            "owner",
            "Owner",
            "责任人",
            "Who is answerable for it.",
            references="staff.staff_id",
        ),
        _integer(
            "reassignments",
            "Reassignments",
            "转办次数",
            "Times it changed hands.",
            minimum=0,
        ),
        _boolean(
            "first_contact_resolution",
            "Resolved at first contact",
            "首次解决",
            "Whether the first answer settled it.",
            known_at="first_response_at",
        ),
        _number(
            "handling_minutes",
            "Handling time",
            "处理时长",
            "Working time spent on it.",
            0,
            unit="minutes",
            minimum=0,
            combine="sum",
        ),
        _money(
            "handling_cost",
            "Handling cost",
            "处理成本",
            "Cost of handling, without compensation.",
            minimum=0,
        ),
        _text(
            "remedy",
            "Remedy",
            "补救措施",
            "What was done for the customer.",
            known_at="resolved_at",
        ),
        _money(
            "compensation",
            "Compensation",
            "赔偿额",
            "Money paid to the customer.",
            minimum=0,
            known_at="resolved_at",
        ),
        _integer(
            "satisfaction_after",
            "Satisfaction afterwards",
            "处理后满意度",
            "Satisfaction with the handling.",
            unit="1–5",
            known_at="followed_up_at",
            **_SCALE_1_5,
        ),
        _boolean(
            "told_of_improvement",
            "Told of the improvement",
            "已反馈改进措施",
            "Whether the customer was told what was improved.",
            known_at="followed_up_at",
        ),
        _text(
            "text",
            "Text",
            "投诉内容",
            "The complaint in the customer's words.",
            personal=True,
        ),
    ),
    starts="opened_at",
)

STAFF = Table(
    "staff",
    "Staff",
    "员工",
    "One row per member of staff.",
    ("staff_id",),
    (
        _text("staff_id", "Staff", "员工编号", "Identifies the member of staff."),
        _code("team", "Team", "班组", "Team they work in.", TEAMS, open_codes=True),
        _code("level", "Level", "岗位级别", "Grade of the post.", LEVELS, open_codes=True),
        _date("trained_on", "Trained on", "培训日期", "Day of the latest training."),
        _number(
            "satisfaction",
            "Employee satisfaction",
            "员工满意度",
            "Satisfaction with the job.",
            1,
            unit="1–5",
            **_SCALE_1_5,
        ),
    ),
)

COMPLAINT_EVENTS = Table(
    "complaint_events",
    "Complaint events",
    "投诉处理过程",
    "One row per step in the handling of a complaint; rework shows here.",
    ("complaint_id", "at"),
    (
        _text(
            "complaint_id",
            "Complaint",
            "投诉编号",
            "Complaint.",
            references="complaints.complaint_id",
        ),
        _time("at", "At", "时间", "When the step began."),
        _code(
            "stage",
            "Stage",
            "阶段",
            "Stage of the dispute process.",
            {
                "accept": ("Accept", "受理"),
                "investigate": ("Investigate", "调查"),
                "negotiate": ("Negotiate", "协商"),
                "resolve": ("Resolve", "解决"),
                "follow_up": ("Follow up", "跟踪反馈"),
                "reopen": ("Reopen", "重新投诉"),
            },
        ),
        _text(
            "owner",
            "Owner",
            "责任人",
            "Who had it in hand.",
            references="staff.staff_id",
        ),
    ),
    starts="at",
)

ASSIGNMENTS = Table(
    "assignments",
    "Assignments",
    "随机分组",
    "One row per customer and campaign: the arm drawn at random, used or not.",
    ("customer_id", "campaign"),
    (
        _text(
            "customer_id",
            "Customer",
            "客户编号",
            "Customer.",
            references="customers.customer_id",
        ),
        _text("campaign", "Campaign", "营销活动", "Campaign."),
        _text("arm", "Arm", "组别", "Arm drawn; holdout is the one without an offer."),
        _time("assigned_at", "Assigned at", "分组时间", "When it was drawn."),
    ),
    starts="assigned_at",
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        CUSTOMERS,
        ORDERS,
        CONTACTS,
        SURVEYS,
        ANSWERS,
        COMPLAINTS,
        STAFF,
        COMPLAINT_EVENTS,
        ASSIGNMENTS,
    )
}

#: The day `as_of` where no record has a time.
NO_TIME = date(1970, 1, 1)

#: The columns whose latest time is the default `as_of`.
AS_OF_COLUMNS: tuple[tuple[str, str], ...] = (
    ("orders", "ordered_at"),
    ("contacts", "contacted_at"),
    ("complaints", "opened_at"),
    ("surveys", "answered_at"),
)


def table(name: str) -> Table:
    """The table of that name.

    Raises
    ------
    UnknownName
        If the model has no such table.

    Examples
    --------
    >>> table("orders").key
    ('order_id',)
    """
    if name not in TABLES:
        raise UnknownName(
            _("There is no table {table}. The tables are: {names}.").format(
                table=name, names=", ".join(TABLES)
            )
        )
    return TABLES[name]
