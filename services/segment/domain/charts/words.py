"""The texts of the pictures, in each language."""

from collections.abc import Mapping
from typing import Final

import msgspec

from services.segment.domain.charts.formats import Language, number


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """The texts in one language. Names of tiers and segments are the shop's own, and are shown as they are."""

    tiers: str
    stages: str
    rfm: str
    abc: str
    sizes: str
    as_of: str
    between: str
    one_customer: str
    customers: str
    no_customers: str
    no_orders: str
    no_revenue: str
    no_sizes: str
    recency_axis: str
    frequency_axis: str
    of_spend: str
    spend_in: str
    few: str
    many: str
    customers_axis: str
    revenue_axis: str
    abc_class: str
    abc_row: str
    equal_shares: str
    members_axis: str
    entered: str
    exited: str
    now: str
    remark_separator: str
    separator: str
    item: str
    stage_names: Mapping[str, str]

    def count(self, customers: int) -> str:
        """Returns `1 customer`, `1,234 customers`."""
        return (self.one_customer if customers == 1 else self.customers).format(number(customers))


EN: Final = Words(
    tiers="Customers by tier",
    stages="Customers by lifecycle stage",
    rfm="Recency and frequency",
    abc="How revenue is spread over customers",
    sizes="Size of segments",
    as_of="As of {}",
    between="{} to {}",
    one_customer="{} customer",
    customers="{} customers",
    no_customers="No customers yet.",
    no_orders="Nobody has ordered yet: scores follow from orders.",
    no_revenue="No revenue in {} yet: the curve follows from paid orders.",
    no_sizes="No sizes were noted in this time.",
    recency_axis="Recency score: {} ordered most recently",
    frequency_axis="Frequency score: {} orders most often",
    of_spend="{} of spend",
    spend_in="spend in {}",
    few="few customers",
    many="many",
    customers_axis="Share of customers, those with the highest revenue first",
    revenue_axis="Share of revenue",
    abc_class="Class {}",
    abc_row="{} ({}) bring {} of revenue",
    equal_shares="If all customers paid the same",
    members_axis="Members",
    entered="entered",
    exited="exited",
    now="now {}",
    remark_separator=" · ",
    separator="; ",
    item="{}: {}",
    stage_names={
        "prospect": "prospect",
        "new": "new",
        "active": "active",
        "loyal": "loyal",
        "returning": "returning",
        "at_risk": "at risk",
        "silent": "silent",
        "churned": "churned",
    },
)
ZH: Final = Words(
    tiers="各等级客户数",
    stages="各生命周期阶段客户数",
    rfm="最近消费与消费频次",
    abc="收入在客户中的分布",
    sizes="人群规模",
    as_of="截至 {}",
    between="{} 至 {}",
    one_customer="{} 位客户",
    customers="{} 位客户",
    no_customers="还没有客户。",
    no_orders="还没有客户下单：分数由订单得出。",
    no_revenue="还没有 {} 收入：曲线由已付订单得出。",
    no_sizes="这段时间没有规模记录。",
    recency_axis="最近消费分数：{} 为最近下单",
    frequency_axis="消费频次分数：{} 为最频繁",
    of_spend="占消费 {}",
    spend_in="消费币种 {}",
    few="客户少",
    many="多",
    customers_axis="客户占比（按收入从高到低）",
    revenue_axis="收入占比",
    abc_class="{} 类",
    abc_row="{}（{}）带来 {} 的收入",
    equal_shares="如果每位客户收入相同",
    members_axis="人数",
    entered="进入",
    exited="退出",
    now="现为 {}",
    remark_separator=" · ",
    separator="；",
    item="{}：{}",
    stage_names={
        "prospect": "潜在",
        "new": "新客",
        "active": "活跃",
        "loyal": "忠诚",
        "returning": "回流",
        "at_risk": "流失风险",
        "silent": "沉默",
        "churned": "已流失",
    },
)
WORDS: Final[Mapping[Language, Words]] = {"en": EN, "zh": ZH}
