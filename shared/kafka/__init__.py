"""The one place that speaks to the broker."""

from functools import partial

from aiokafka import client
from aiokafka.admin import client as admin_client
from aiokafka.protocol.metadata import MetadataRequest

# aiokafka lets the broker create whatever it asks about, with as many partitions as that broker thinks right: after a
# restart of a broker that keeps nothing, clients that go on would create every topic so. Topics are made by `ensure`.
client.MetadataRequest = admin_client.MetadataRequest = partial(MetadataRequest, allow_auto_topic_creation=False)
