"""What a service keeps of one customer, as it is kept: for whoever asks what is known of them."""

from shared.customer_data.api import router_of
from shared.customer_data.rows import Kept

__all__ = ["Kept", "router_of"]
