"""What customers and staff write: complaints, messages, posts; Chinese mostly, English some.

A complaint text names its cause by one of `MARKERS`, says it in other words, or is ambiguous and
names none (one in ten). With probability text_label_noise it is about another cause than the one
recorded. Our own messages are neutral or hold a word of exactly one tone of `TONES`; posts on
social media hold a negative word or none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

#: Words that name a cause, by cause, in the order of `orders.CAUSES`.
MARKERS: dict[str, tuple[str, ...]] = {
    "damage": ("破损", "压坏", "摔坏", "受潮", "damaged", "crushed", "broken"),
    "short_delivery": ("少了", "缺件", "数量不符", "missing", "fewer"),
    "documents": ("单证", "回单", "发票抬头", "paperwork", "waybill"),
    "late_delivery": ("延误", "晚到", "超时", "没按时", "late", "delayed"),
    "attitude": ("态度", "不耐烦", "语气", "rude", "attitude"),
    "price_change": ("涨价", "加价", "调价", "price", "surcharge"),
    "installation": ("安装", "组装", "调试", "install", "assembled"),
    "promotion_information": ("促销", "优惠活动", "优惠券", "promotion", "coupon"),
    "payment_credit": ("付款", "账期", "对账", "payment", "invoice"),
    "training": ("不会操作", "不熟悉", "不专业", "untrained", "did not know how"),
    "suggestion": ("建议", "提个想法", "希望增加", "suggest", "proposal"),
}

_OPENERS = (
    "",
    "你好，",
    "您好，",
    "麻烦看一下，",
    "我是老客户了，",
    "实在没办法才来反映，",
    "再次反映，",
    "上周的货，",
    "这一票货，",
    "我们公司的货，",
    "客服您好，",
    "真是气人，",
    "说实话，",
)
_BODIES: dict[str, tuple[str, ...]] = {
    "damage": (
        "{goods}有{n}件破损，外箱都裂了",
        "收到时{goods}已经压坏了，内包装也没有缓冲",
        "卸车时{goods}被摔坏，现场有照片",
        "{goods}受潮，{n}箱没法卖了",
        "开箱发现{goods}破损，司机说与他无关",
        "托盘倒了，{n}件{goods}压坏",
        "包装看着没事，里面的{goods}却摔坏了",
        "箱子一角裂开，里面的{goods}碎了",
        "{goods}外观有磕碰和划痕，客户拒收",
        "冷链断链，{n}箱{goods}化冻变质",
    ),
    "short_delivery": (
        "签收时清点，{goods}少了{n}件",
        "{goods}数量不符，跟下单的对不上",
        "缺件{n}箱，到现在没有说法",
        "到仓一数少了{n}件{goods}，请查监控",
        "{goods}缺件，我们的生产线停了",
        "送来的{goods}数量不符，司机让我先签字",
        "下单{n}件，实到差{k}件",
        "有一箱{goods}始终没见到，签收单却写齐了",
        "对照清单点了两遍，都凑不齐",
    ),
    "documents": (
        "单证不齐，报关行不收",
        "回单一直没有寄回来，财务没法入账",
        "发票抬头开错了，已经是第{k}次",
        "随车单证上的品名写错，仓库拒收",
        "回单上的签章不清楚，对方不认",
        "单证和实物对不上，货被扣在库外",
        "运单上的收货人写错，到站提不了货",
        "装箱清单没有随货，海关要求补",
        "签收联一直没给我们，报销卡住了",
    ),
    "late_delivery": (
        "说好{k}天到，结果延误了{n}小时",
        "货又晚到，客户那边等着要",
        "{goods}没按时送到，展会都错过了",
        "冷链车超时，{goods}的保质期少算{k}天",
        "一路延误，系统里的位置{k}天没有变化",
        "约好上午，晚到下午，装卸工白等半天",
        "大促期间{goods}没按时到仓，被平台罚款",
        "等了{n}个小时，{goods}还没有到",
        "原定周一到货，周{k}才见到车",
        "说今天派送，又推到明天，已经第{k}次了",
    ),
    "attitude": (
        "打电话问情况，接线员态度很差",
        "司机很不耐烦，让我自己搬上楼",
        "客服语气生硬，说了两句就挂断",
        "上门提货的人态度恶劣，还和门卫吵架",
        "问{k}遍都不耐烦，没人肯说明白",
        "问什么都爱答不理，还让我自己上网查",
        "电话里跟我吵起来，最后直接挂断",
        "司机在门口骂人，影响很坏",
    ),
    "price_change": (
        "没有通知就涨价，合同里不是这样写的",
        "结算时临时加价{n}元，事先没人说",
        "同一条线路{k}个月调价两次，预算全乱了",
        "旺季加价可以理解，但要提前告知",
        "报价单有效期内涨价，不讲信用",
        "同样的{goods}，这个月运费比上月贵了{n}元",
        "报价和结算不是一个数，多收了{n}元",
        "燃油附加说收就收，没有任何说明",
    ),
    "installation": (
        "送货师傅不肯安装，只把{goods}放在门口",
        "{goods}组装得歪歪斜斜，{k}天就松了",
        "约了三次都没人来调试",
        "安装完地板被划伤，没人清理",
        "组装少拧了螺丝，用起来很危险",
        "{goods}送到后没人装，一直堆在走廊",
        "师傅装到一半就走了，零件还剩{k}个",
        "{goods}装反了，重新拆了一遍",
    ),
    "promotion_information": (
        "优惠活动没人通知，别家都享受了",
        "促销规则写得不清楚，到账时少算",
        "优惠券说能用，下单时又说过期",
        "销售说有促销，系统里却查不到",
        "优惠活动的条件改来改去，不知道信哪个",
        "上个月的活动我们完全不知道",
        "满减的门槛到底是多少，问了{k}个人答案都不同",
        "海报上写的折扣，下单时没有体现",
    ),
    "payment_credit": (
        "账期说好{n}天，突然要求现结",
        "已经付款了还在催，对不上账",
        "对账单拖了{k}周，金额也有出入",
        "付款之后额度没有恢复，影响发货",
        "退款迟迟不到，对账人员互相推",
        "钱已经打过去{k}天，系统还显示欠款",
        "授信额度突然被降，货发不出去",
        "重复扣了一笔款，退回要等{n}天",
    ),
    "training": (
        "新来的仓管不会操作系统，排队{k}小时",
        "业务员对冷链要求不熟悉，说不清楚温度",
        "现场人员不专业，叉车差点碰到人",
        "窗口人员不会操作电子签，让我们跑了两趟",
        "对接人不熟悉危险品规定，来回改了{k}次",
        "窗口新人连电子面单都打不出来",
        "问冷链温度，业务员说不清楚",
        "叉车司机明显是新手，差点撞到货架",
    ),
    "suggestion": (
        "建议增加夜间提货窗口",
        "建议把在途信息推送到手机",
        "提个想法，能否做拼车服务",
        "希望增加周末客服值班",
        "建议在系统里开放批量下单",
        "希望增加可循环包装，我们愿意配合",
        "如果能提前一小时短信通知就好了",
        "能不能在小程序里直接改地址",
        "周末也有人值班的话，我们会多下单",
    ),
}
_AMBIGUOUS = (
    "这次的服务让人不满意，请给个说法",
    "跟上次一样的情况又发生了",
    "货的事情一直没有人处理",
    "打了好几个电话都没有结果",
    "具体情况见附件照片，请尽快回复",
    "你们内部先核实一下再联系我",
    "客户那边意见很大，我们夹在中间",
    "流程太乱，找不到负责的人",
    "Nobody has called me back about my last order",
    "The same thing happened again, see the photos",
)
_CLOSERS = (
    "。",
    "！",
    "，请尽快处理。",
    "，希望给个解释。",
    "，谢谢。",
    "，再这样就换别家了。",
    "，请赔偿损失。",
    "，麻烦跟进一下。",
    "，你们看着办吧！",
    "，影响很大。",
)
_ENGLISH: dict[str, tuple[str, ...]] = {
    "damage": (
        "{n} boxes of {goods} arrived damaged",
        "The pallet of {goods} was crushed",
        "Several {goods} are broken and cannot be sold",
    ),
    "short_delivery": (
        "{n} pieces of {goods} are missing",
        "We counted fewer {goods} than we ordered",
        "Part of the {goods} is missing, the driver could not say why",
    ),
    "documents": (
        "The paperwork did not match the goods",
        "We still have no signed waybill",
        "Customs refused the paperwork for the {goods}",
    ),
    "late_delivery": (
        "The {goods} came {k} days late",
        "Our delivery was delayed again, the line stood still",
        "Promised for Monday, but delayed by {n} hours",
    ),
    "attitude": (
        "Your driver was rude at our gate",
        "The attitude of your call desk is unacceptable",
        "The clerk was rude and hung up",
    ),
    "price_change": (
        "The price went up without notice",
        "A surcharge of {n} yuan that nobody announced",
        "The price differs from the offer",
    ),
    "installation": (
        "The crew refused to install the {goods}",
        "The {goods} were badly assembled",
        "Nobody came to install it, {k} appointments missed",
    ),
    "promotion_information": (
        "We were never told of the promotion",
        "The coupon was refused although still valid",
        "The rules of the promotion are unclear",
    ),
    "payment_credit": (
        "We are chased for a payment made weeks ago",
        "The invoice does not match our records",
        "Our payment terms were cut without a word",
    ),
    "training": (
        "The warehouse staff seemed untrained",
        "Your agent did not know how to book cold chain",
        "An untrained forklift driver nearly hit our people",
    ),
    "suggestion": (
        "We suggest a pick-up window in the evening",
        "A proposal: push the position of the truck to our phones",
        "May we suggest reusable packaging",
    ),
}
_SUGGESTION_OPENERS = (
    "",
    "你好，",
    "您好，",
    "客服您好，",
    "我是老客户了，",
    "用了几年了，",
    "顺便说一下，",
)
_SUGGESTION_CLOSERS = ("。", "，谢谢。", "，供参考。", "，盼回复。", "，我们愿意试用。", "！")
_CLOSERS_EN = (".", "!", ". Please look into it.", ", please answer soon.", ". We expect better.")
_GOODS = ("家具", "电子配件", "食品", "布料", "药品", "机械零件", "玻璃制品", "服装")
_GOODS_EN = ("chairs", "spare parts", "food", "fabric", "medicine", "glassware", "garments")
#: Slips of the keyboard, made outside the words that name the cause.
_SLIPS = (
    ("已经", "己经"),
    ("尽快", "尽块"),
    ("麻烦", "麻凡"),
    ("客服", "客付"),
    ("希望给", "希忘给"),
)

#: Words by tone of our own messages; a message holds words of one tone or of none.
TONES: dict[str, tuple[str, ...]] = {
    "positive": ("很高兴", "顺利", "圆满", "glad", "smooth"),
    "negative": ("遗憾", "无法", "未能", "unfortunately", "unable"),
    "polite": ("请您", "烦请", "敬请", "kindly", "please"),
    "blaming": ("由于贵方", "责任在贵司", "务必立即", "you failed", "your fault"),
}
TONE_NAMES = ("neutral", *TONES)
_TONE_CLAUSES = {
    "neutral": ("情况如上。", "特此告知。", "供参考。"),
    "positive": ("很高兴为贵司服务。", "全程顺利。", "合作圆满。"),
    "negative": ("遗憾时间较紧。", "暂无法给出更多。", "部分内容未能确认。"),
    "polite": ("请您方便时回复。", "烦请过目。", "敬请指正。"),
    "blaming": ("由于贵方原因耽搁。", "责任在贵司。", "务必立即答复。"),
}
_TONE_CLAUSES_EN = {
    "neutral": ("For your information.", "As above."),
    "positive": ("We are glad to serve you.", "All went smooth."),
    "negative": ("We are unfortunately short of time.", "We are unable to say more."),
    "polite": ("Would you kindly reply.", "Have a look, please."),
    "blaming": ("It was you failed to confirm.", "The delay is your fault."),
}
_SUBJECTS = {
    "thanks": ("本次业务已完成，致函贵司。", "承蒙惠顾，特寄此函。"),
    "delivery_check": ("货物已签收，核对数量与外观。", "回访送达情况。", "确认货物到仓情况。"),
    "promotion": ("本月活动已开始，附说明。", "新活动通知。"),
    "follow_up": ("就您的咨询作进一步说明。", "上次的问题补充资料。"),
    "recovery": ("投诉已办结，说明处理结果。", "就上次的事情回访。"),
    "collection": ("账单已过期，附明细。", "应付款项提醒。"),
    "letter": ("年度服务方案随函附上。", "新线路介绍。"),
    "consultation": ("走访，听取对服务的意见。", "洽谈下季度计划。"),
    "survey": ("电话补充调查。",),
}
_SUBJECTS_EN = {
    "thanks": ("Thank-you letter for the completed order.",),
    "delivery_check": ("Checking that the goods arrived.", "Confirming quantity and condition."),
    "promotion": ("This month's offer is enclosed.",),
    "follow_up": ("Further details on your question.",),
    "recovery": ("Your complaint is settled, result enclosed.",),
    "collection": ("An overdue balance is listed.",),
    "letter": ("Our service plan for the year.",),
    "consultation": ("Visit to hear your views.",),
    "survey": ("Survey by telephone.",),
}
_QUESTIONS = (
    "{goods}到{city}几天能到？",
    "{n}吨{goods}怎么报价？",
    "想查一下货到哪里了",
    "能不能改送货地址？",
    "{city}线周末发车吗？",
    "冷链车什么时候有空位？",
    "需要补寄一份资料",
    "可以上门提货吗？",
)
_QUESTIONS_EN = (
    "How long to {city}?",
    "A quote for {n} t of {goods}?",
    "Where is our shipment?",
    "Can we change the address?",
)
_CITIES = ("上海", "广州", "北京", "武汉", "成都", "沈阳", "西安", "厦门")
_CITIES_EN = ("Shanghai", "Guangzhou", "Beijing", "Wuhan", "Chengdu", "Shenyang")
#: Negative words of posts on social media.
SOCIAL_NEGATIVE = ("差评", "失望", "糟糕", "气愤", "disappointed", "terrible")
_POSTS = {
    True: (
        "{goods}寄{city}，差评",
        "等了{k}天，很失望",
        "{city}站点管理糟糕",
        "打不通电话，气愤",
        "Very disappointed with {city} depot",
        "Terrible handling of {goods}",
    ),
    False: (
        "{city}发货挺快",
        "{goods}包装不错",
        "第{k}次用了，点赞",
        "求推荐{city}的物流",
        "Fast from {city}",
        "路过{city}看到新的仓库",
    ),
}


def complaint_texts(
    rng: np.random.Generator, cause: np.ndarray, english: np.ndarray, noise: float
) -> list[str]:
    """A text for each complaint.

    Parameters
    ----------
    cause : numpy.ndarray
        Recorded cause, as position in `MARKERS`.
    english : numpy.ndarray
        Whether the customer writes English.
    noise : float
        Probability that the text names another cause.
    """
    size = len(cause)
    names = tuple(MARKERS)
    wrong = rng.random(size) < noise
    told = np.where(wrong, (cause + rng.integers(1, len(names), size)) % len(names), cause)
    vague = rng.random(size) < 0.1
    slip = rng.random(size) < 0.08
    draws = rng.integers(0, 1_000_000, (size, 6)).tolist()
    rows = zip(told.tolist(), english.tolist(), vague.tolist(), slip.tolist(), draws, strict=True)
    return [_complaint(names[c], foreign, v, s, draw) for c, foreign, v, s, draw in rows]


def _complaint(cause: str, english: bool, vague: bool, slip: bool, draw: Sequence[int]) -> str:
    if english and not vague:
        body = _filled(_pick(_ENGLISH[cause], draw[1]), draw, _GOODS_EN, _CITIES_EN)
        return body + _pick(_CLOSERS_EN, draw[2])
    mild = cause == "suggestion" and not vague
    openers = _SUGGESTION_OPENERS if mild else _OPENERS
    closers = _SUGGESTION_CLOSERS if mild else _CLOSERS
    body = _pick(_AMBIGUOUS if vague else _BODIES[cause], draw[1])
    text = [_pick(openers, draw[0]), _filled(body, draw, _GOODS, _CITIES), _pick(closers, draw[2])]
    if slip:
        for right, wrong in _SLIPS:
            text[0], text[2] = text[0].replace(right, wrong), text[2].replace(right, wrong)
    return "".join(text)


def _pick(choices: Sequence[str], draw: int) -> str:
    return choices[draw % len(choices)]


def _filled(template: str, draw: Sequence[int], goods: Sequence[str], cities: Sequence[str]) -> str:
    if "{" not in template:
        return template
    return template.format(
        goods=_pick(goods, draw[3]),
        n=2 + draw[4] % 40,
        k=2 + draw[5] % 5,
        city=_pick(cities, draw[5]),
    )


def cause_named(text: str) -> str:
    """The cause whose marker the text holds, empty if none or several.

    Examples
    --------
    >>> cause_named("货又晚到，客户那边等着要。")
    'late_delivery'
    >>> cause_named("打了好几个电话都没有结果。")
    ''
    """
    found = [cause for cause, words in MARKERS.items() if any(word in text for word in words)]
    return found[0] if len(found) == 1 else ""


def tone_of(message: str) -> str:
    """Tone of one of our messages by the words of `TONES`; ``"neutral"`` if it holds none.

    Examples
    --------
    >>> tone_of("回访送达情况。烦请过目。")
    'polite'
    """
    lower = message.lower()
    for tone, words in TONES.items():
        if any(word in lower for word in words):
            return tone
    return "neutral"


def is_negative(post: str) -> bool:
    """Whether a post holds a negative word.

    Examples
    --------
    >>> is_negative("等了3天，很失望")
    True
    """
    return any(word in post.lower() for word in SOCIAL_NEGATIVE)


def messages(
    rng: np.random.Generator, subject: str, tone: np.ndarray, english: np.ndarray
) -> list[str]:
    """Our messages on one subject, each in its tone (position in `TONE_NAMES`)."""
    draws = rng.integers(0, 1_000_000, (len(tone), 2)).tolist()
    made = []
    for code, foreign, (a, b) in zip(tone.tolist(), english.tolist(), draws, strict=True):
        subjects: Mapping[str, Sequence[str]] = _SUBJECTS_EN if foreign else _SUBJECTS
        clauses: Mapping[str, Sequence[str]] = _TONE_CLAUSES_EN if foreign else _TONE_CLAUSES
        gap = " " if foreign else ""
        made.append(_pick(subjects[subject], a) + gap + _pick(clauses[TONE_NAMES[code]], b))
    return made


def question_texts(rng: np.random.Generator, english: np.ndarray) -> list[str]:
    """What customers ask."""
    draws = rng.integers(0, 1_000_000, (len(english), 6)).tolist()
    return [
        _filled(_pick(_QUESTIONS_EN, draw[0]), draw, _GOODS_EN, _CITIES_EN)
        if foreign
        else _filled(_pick(_QUESTIONS, draw[0]), draw, _GOODS, _CITIES)
        for foreign, draw in zip(english.tolist(), draws, strict=True)
    ]


def posts(rng: np.random.Generator, negative: np.ndarray) -> list[str]:
    """Posts on social media."""
    draws = rng.integers(0, 1_000_000, (len(negative), 6)).tolist()
    return [
        _filled(_pick(_POSTS[bad], draw[0]), draw, _GOODS, _CITIES)
        for bad, draw in zip(negative.tolist(), draws, strict=True)
    ]
