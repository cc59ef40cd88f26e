"""The words of events: verbs and nouns of those that people speak of, quotation marks for all others."""

from typing import Final, NamedTuple

from services.segment.domain.conditions.words.forms import Phrase
from services.segment.domain.conditions.words.slots import Choice, OneOf
from services.segment.domain.conditions.words.values import NAME


class _Event(NamedTuple):
    """How people speak of an event: `ordered`, `did not order`, `orders`; 下过单, 没有下单, 订单."""

    did: str
    do: str
    things: str
    thing: str
    zh_did: str
    zh_do: str
    zh_thing: str


EVENTS: Final = {
    "order_placed": _Event(
        *("ordered", "order", "orders", "order"),
        *("下过单", "下单", "订单"),
    ),
    "order_cancelled": _Event(
        *("cancelled an order", "cancel an order", "order cancellations", "order cancellation"),
        *("取消过订单", "取消订单", "订单取消"),
    ),
    "product_viewed": _Event(
        *("viewed a product", "view a product", "product views", "product view"),
        *("浏览过商品", "浏览商品", "商品浏览"),
    ),
    "product_list_viewed": _Event(
        *("viewed a product list", "view a product list", "product list views", "product list view"),
        *("浏览过商品列表", "浏览商品列表", "商品列表浏览"),
    ),
    "products_searched": _Event(
        *("searched", "search", "searches", "search"),
        *("搜索过商品", "搜索商品", "商品搜索"),
    ),
    "cart_updated": _Event(
        *("updated the cart", "update the cart", "cart updates", "cart update"),
        *("更新过购物车", "更新购物车", "购物车更新"),
    ),
    "cart_item_added": _Event(
        *("added to the cart", "add to the cart", "cart additions", "cart addition"),
        *("加过购物车", "加入购物车", "加购"),
    ),
    "wishlist_item_added": _Event(
        *("added to the wishlist", "add to the wishlist", "wishlist additions", "wishlist addition"),
        *("收藏过商品", "收藏商品", "商品收藏"),
    ),
    "checkout_started": _Event(
        *("started a checkout", "start a checkout", "checkouts", "checkout"),
        *("开始过结账", "开始结账", "结账"),
    ),
    "page_viewed": _Event(
        *("viewed a page", "view a page", "page views", "page view"),
        *("访问过页面", "访问页面", "页面访问"),
    ),
    "feedback_submitted": _Event(
        *("submitted feedback", "submit feedback", "feedback responses", "feedback response"),
        *("提交过反馈", "提交反馈", "反馈"),
    ),
    "review_submitted": _Event(
        *("wrote a review", "write a review", "reviews", "review"),
        *("写过评价", "写评价", "评价"),
    ),
    "message_sent": _Event(
        *("was sent a message", "get sent a message", "messages sent", "message sent"),
        *("被发送过消息", "被发送消息", "已发消息"),
    ),
    "message_delivered": _Event(
        *("received a message", "receive a message", "messages received", "message received"),
        *("收到过消息", "收到消息", "已收消息"),
    ),
    "message_opened": _Event(
        *("opened a message", "open a message", "message openings", "message opening"),
        *("打开过消息", "打开消息", "消息打开"),
    ),
    "message_clicked": _Event(
        *("clicked in a message", "click in a message", "message clicks", "message click"),
        *("点击过消息", "点击消息", "消息点击"),
    ),
}

# Other words for them, which are read: past, base form, Chinese.
_MORE: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]]] = {
    "order_placed": (
        ("placed an order", "bought"), ("place an order", "buy"), ("下单过", "买过", "购买过"), ("购买",),
    ),
    "product_viewed": (
        ("viewed product", "viewed products"), ("view product", "view products", "view any product"),
        ("看过商品", "浏览商品过"), ("看商品",),
    ),
    "page_viewed": (("visited a page",), ("visit a page",), ("浏览过页面",), ("浏览页面",)),
    "checkout_started": (("started checkout",), ("start checkout",), (), ()),
    "cart_updated": (("updated cart",), ("update cart",), (), ()),
    "cart_item_added": (("added to cart",), ("add to cart",), ("加购过",), ("加购",)),
    "feedback_submitted": (("gave feedback",), ("give feedback",), ("反馈过",), ("反馈",)),
    "message_opened": (("opened message",), ("open message", "open any message"), (), ()),
}  # fmt: skip
_NONE: Final[tuple[tuple[str, ...], ...]] = ((), (), (), ())

DID: Final = OneOf(
    Choice(
        {
            name: (
                (one.did, *_MORE.get(name, _NONE)[0]),
                (one.zh_did, *_MORE.get(name, _NONE)[2], one.zh_do, *_MORE.get(name, _NONE)[3]),
            )
            for name, one in EVENTS.items()
        }
    ),
    Phrase(NAME, en="did {}", zh=("做过 {}", "做 {}")),
)
"""That it happened: `ordered`, `did "Quiz Finished"`; 下过单, 做过 "Quiz Finished"."""

DO: Final = OneOf(
    Choice(
        {
            name: ((one.do, *_MORE.get(name, _NONE)[1]), (one.zh_do, *_MORE.get(name, _NONE)[3]))
            for name, one in EVENTS.items()
        }
    ),
    Phrase(NAME, en="do {}", zh="做 {}"),
)
"""The verb after `did not` and 没有: `order`, `do "Quiz Finished"`; 下单, 做 "Quiz Finished"."""

DID_COUNTED: Final = OneOf(
    Choice(
        {
            name: (
                (one.did, *_MORE.get(name, _NONE)[0]),
                (one.zh_do, *_MORE.get(name, _NONE)[3], one.zh_did, *_MORE.get(name, _NONE)[2]),
            )
            for name, one in EVENTS.items()
        }
    ),
    Phrase(NAME, en="did {}", zh=("做 {}", "做过 {}")),
)
"""The verb before a number or another event: `ordered`, 下单."""

THINGS: Final = OneOf(
    Choice({name: (one.things, one.zh_thing) for name, one in EVENTS.items()}),
    Phrase(NAME, en="events {}", zh="事件 {}"),
)
"""What happened, as things: `orders`, `events "Quiz Finished"`; 订单, 事件 "Quiz Finished"."""

THING: Final = OneOf(
    Choice({name: (one.thing, (one.zh_do, *_MORE.get(name, _NONE)[3])) for name, one in EVENTS.items()}),
    Phrase(NAME, en="event {}", zh="做 {}"),
)
"""One of them: `since the last order`; 自上次下单后."""
