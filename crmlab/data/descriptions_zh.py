"""The descriptions of the data model in Chinese, for the Chinese data dictionary.

The key is the English description as `crmlab.data.model` says it; a test holds that none is missing
and none is left over.
"""

DESCRIPTIONS_ZH = {
    # tables
    "One row per customer, internal customers included.": "每个客户一行，内部客户也在内。",
    "One row per order; a negative amount is a cancellation or refund.": (
        "每张订单一行；金额为负表示取消或退款。"
    ),
    "One row per contact between the company and a customer, in either direction.": (
        "企业与客户的每次联系一行，不论由哪一方发起。"
    ),
    "One row per questionnaire sent, answered or not.": "每份发出的问卷一行，不论是否答复。",
    "One row per item of an answered questionnaire and aspect asked.": (
        "每份已答问卷的每个题项、每个方面一行。"
    ),
    "One row per complaint or suggestion.": "每件投诉或建议一行。",
    "One row per member of staff.": "每名员工一行。",
    "One row per step in the handling of a complaint; rework shows here.": (
        "投诉处理的每一步一行；返工在此可见。"
    ),
    "One row per customer and campaign: the arm drawn at random, used or not.": (
        "每个客户、每次营销活动一行：随机抽到的组别，不论是否使用优惠。"
    ),
    # customers
    "Identifies the customer.": "客户的唯一编号。",
    "Name of the firm or person.": "企业或个人的名称。",
    "Telephone number.": "电话号码。",
    "E-mail address.": "电子邮箱地址。",
    "The customer's industry.": "客户所在行业。",
    "Size of the customer's firm.": "客户企业的规模。",
    "Sales region the customer belongs to.": "客户所属的销售地区。",
    "Whether the customer is outside the firm or one of its own departments.": (
        "客户是企业以外的，还是本企业的部门。"
    ),
    "Day the relationship began.": "客户关系开始的日期。",
    "How the customer was won.": "客户是如何获得的。",
    "Customer who recommended us to this one.": "向该客户推荐我们的客户。",
    "What the customer looks for first.": "客户首先看重什么。",
    "Member of staff in charge of the customer.": "负责该客户的员工。",
    "First day of the frame contract.": "框架合同的第一天。",
    "Last day of the frame contract.": "框架合同的最后一天。",
    "Day of joining the points programme.": "加入积分计划的日期。",
    "Largest amount that may be owed.": "允许赊欠的最高金额。",
    "Days from invoice to payment as agreed.": "约定的从开票到付款的天数。",
    "The customer has not consented to being contacted for marketing.": (
        "客户未同意接受营销联系。"
    ),
    "Tier given by the company; wins over a computed one.": (
        "企业给定的客户级别；优先于计算所得的级别。"
    ),
    # orders
    "Identifies the order.": "订单的唯一编号。",
    "Who ordered.": "下单的客户。",
    "When the order was placed.": "下单的时间。",
    "Delivery time promised.": "承诺的送达时间。",
    "When the goods left.": "货物发出的时间。",
    "When the goods arrived.": "货物送达的时间。",
    "Whether it arrived by the time promised; where not given, delivered_at is compared with"
    " promised_at.": "是否在承诺时间之前送达；未给出时，以送达时间与承诺送达时间比较。",
    "Region served.": "服务的地区。",
    "Service or product ordered.": "订购的服务或产品。",
    "Route of the transport.": "运输线路。",
    "What is charged; negative for a cancellation or refund.": ("收取的金额；取消或退款时为负。"),
    "Price before any discount.": "折扣之前的价格。",
    "Money taken off the list price.": "从标价中减去的金额。",
    "Direct cost of carrying out the order.": "完成该订单的直接成本。",
    "Campaign whose offer was used; empty if none.": "所用优惠属于哪次营销活动；没有则为空。",
    "Quantity ordered.": "订购的数量。",
    "Quantity that arrived.": "送达的数量。",
    "Unit of the quantities.": "数量的单位。",
    "Whether goods were damaged.": "货物是否破损。",
    "Whether the documents were right.": "单证是否正确。",
    "Points credited.": "记入的积分。",
    "Points used up.": "用去的积分。",
    "When the invoice was sent.": "发票开出的时间。",
    "When payment is due.": "付款的期限。",
    "When the invoice was paid.": "发票付清的时间。",
    "Number of lines of the source that make up the order.": "该订单由源数据的多少行组成。",
    # contacts
    "Identifies the contact.": "联系记录的唯一编号。",
    "With whom.": "与哪个客户。",
    "Order it is about.": "涉及的订单。",
    "Complaint it belongs to.": "所属的投诉。",
    "Contact that this one answers.": "本次联系所回复的联系。",
    "When it took place.": "联系发生的时间。",
    "Who started it.": "由哪一方发起。",
    "Channel used.": "所用的渠道。",
    "What it was for.": "联系的目的。",
    "Who of us took part.": "我方参与的员工。",
    "Whether an answer is expected of us.": "是否需要我方答复。",
    "Day planned in the visit plan.": "回访计划中的日期。",
    "Inbound: our answer; outbound: the customer's reply.": (
        "客户来联：我方的答复；主动联系：客户的回复。"
    ),
    "Campaign it belongs to.": "所属的营销活动。",
    "Version of the message, in a test.": "对照试验中信息的版本。",
    "What was written or noted down.": "书写或记录的内容。",
    # surveys
    "Identifies the questionnaire sent.": "发出问卷的唯一编号。",
    "To whom.": "发给哪个客户。",
    "Order asked about.": "所询问的订单。",
    "When it was sent.": "发出的时间。",
    "When it came back; empty if it did not.": "收回的时间；未收回则为空。",
    "How the customer came to be asked.": "客户是如何被选中询问的。",
    "Wave of the survey.": "调查的批次。",
    "Stratum it was drawn from.": "抽样所在的层。",
    "Design weight.": "设计权重。",
    "Overall satisfaction.": "总体满意度。",
    "How likely to recommend us.": "推荐我们的可能性。",
    "Means to buy again.": "打算再次购买的程度。",
    "Would forgive a quality incident.": "对质量事故的承受力。",
    "Attention paid to competing brands.": "对竞争品牌的关注程度。",
    "Attention paid to our brand.": "对本品牌的关注程度。",
    "Identifies with our service.": "对我们服务的认同程度。",
    "Share of the customer's logistics needs bought from us.": (
        "客户的物流需求中由我们满足的份额。"
    ),
    "Days the customer took to choose.": "客户挑选所用的天数。",
    # answers
    "Questionnaire.": "问卷。",
    "Item of the instrument, declared in the workspace.": "量表的题项，在工作区设置中声明。",
    "What was asked about the item.": "就该题项询问的方面。",
    "The answer, on the item's scale.": "答案，按该题项的量表。",
    # complaints
    "Identifies the complaint.": "投诉的唯一编号。",
    "Who complained.": "投诉的客户。",
    "Order complained of.": "被投诉的订单。",
    "When it came in.": "收到投诉的时间。",
    "When it must be resolved.": "必须解决的期限。",
    "First answer to the customer.": "首次答复客户的时间。",
    "When it was accepted (受理).": "受理的时间。",
    "When the investigation ended (调查).": "调查结束的时间。",
    "When the settlement was agreed (协商).": "协商达成一致的时间。",
    "When it was resolved (解决).": "解决的时间。",
    "When the customer was asked again (跟踪反馈).": "再次询问客户（跟踪反馈）的时间。",
    "When it was opened again.": "重新投诉的时间。",
    "One of the course's four kinds.": "课程所讲四类投诉之一。",
    "What lay behind it.": "投诉的原因。",
    "How grave it is.": "严重的程度。",
    "Channel it came by.": "投诉经由的渠道。",
    "Who is answerable for it.": "对该投诉负责的人。",
    "Times it changed hands.": "转办的次数。",
    "Whether the first answer settled it.": "首次答复是否即告解决。",
    "Working time spent on it.": "处理所用的工作时间。",
    "Cost of handling, without compensation.": "处理的成本，不含赔偿。",
    "What was done for the customer.": "为客户采取的补救。",
    "Money paid to the customer.": "赔付给客户的金额。",
    "Satisfaction with the handling.": "对处理的满意度。",
    "Whether the customer was told what was improved.": "是否已将改进措施告知客户。",
    "The complaint in the customer's words.": "客户自述的投诉内容。",
    # staff
    "Identifies the member of staff.": "员工的唯一编号。",
    "Team they work in.": "所在的班组。",
    "Grade of the post.": "岗位的级别。",
    "Day of the latest training.": "最近一次培训的日期。",
    "Satisfaction with the job.": "对工作的满意度。",
    # complaint_events
    "Complaint.": "投诉。",
    "When the step began.": "该步骤开始的时间。",
    "Stage of the dispute process.": "投诉处理流程的阶段。",
    "Who had it in hand.": "当时经手的人。",
    # assignments
    "Customer.": "客户。",
    "Campaign.": "营销活动。",
    "Arm drawn; holdout is the one without an offer.": "抽到的组别；holdout 为不给优惠的对照组。",
    "When it was drawn.": "抽取的时间。",
}
