"""A real Apache Kafka (KRaft), one broker or several, from the jars that Maven resolves."""

import asyncio
import signal
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.kafka_jars import archive, class_path
from deploy.local.process import (
    LOOPBACK,
    POLL_SECONDS,
    Child,
    StackError,
    free_port,
    private_folder,
    run_to_end,
    together,
    wait_for_port,
)
from shared.credentials import cluster_id

HEAP = "-Xmx384m"
# Three quarters of what a start costs is compiling and checking classes; what is compiled less runs more slowly.
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
LOGGING = {
    "defaultLogLevel": "warn",
    "showDateTime": "true",
    "dateTimeFormat": "yyyy-MM-dd HH:mm:ss.SSS",
    # It says many times a second that a broker which is down cannot be reached.
    "log.org.apache.kafka.clients.NetworkClient": "error",
}
FORMAT_DEADLINE_SECONDS = 60.0
START_DEADLINE_SECONDS = 90.0
STOP_GRACE_SECONDS = 20.0
PARTITIONS = 6
METADATA_REQUEST = struct.pack(">hhihi", 3, 1, 1, -1, 0)  # key, version, correlation, no client id, no topics


@dataclass(frozen=True)
class Listener:
    """One more way in for clients, beside the plain one: its protocol, such as SASL_SSL, and its own properties."""

    name: str
    port: int
    protocol: str
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"


class ApacheKafka:
    """A KRaft cluster on 127.0.0.1 whose data survive a kill.

    `advertised` maps a node (1, 2, …) to the `host:port` that it tells to clients, so that a test can put a
    proxy between them; brokers talk to each other on listeners of their own, past it. With `quick` a start takes a
    third of the CPU time, for those who start many and ask little of each. `listeners` are of a single broker;
    `scram_users` are their users with passwords, without spaces and signs.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        *,
        nodes: int = 1,
        advertised: Mapping[int, str] | None = None,
        quick: bool = False,
        listeners: Sequence[Listener] = (),
        scram_users: Mapping[str, str] | None = None,
    ) -> None:
        self._listeners = listeners
        self._scram_users = scram_users or {}
        self._quick = quick
        self._options: tuple[str, ...] = ()
        self._home = home.resolve() / "kafka-data"
        self._logs = home.resolve() / "logs"
        self._client_ports = {node: port if node == 1 else free_port() for node in range(1, nodes + 1)}
        self._internal_ports = {node: free_port() for node in self._client_ports}
        self._controller_ports = {node: free_port() for node in self._client_ports}
        self._advertised = advertised or {}
        self._children: dict[int, Child] = {}
        self._cluster_id = ""
        self._class_path = ""

    @property
    def nodes(self) -> tuple[int, ...]:
        return tuple(self._client_ports)

    @property
    def bootstrap(self) -> str:
        """The addresses for clients, through the proxies if there are any."""
        return ",".join(self._advertised.get(node, self.address(node)) for node in self.nodes)

    @property
    def cluster_id(self) -> str:
        return self._cluster_id

    @property
    def children(self) -> tuple[Child, ...]:
        """The processes that are expected to run now."""
        return tuple(self._children.values())

    def child(self, node: int) -> Child:
        """The process of a running node."""
        return self._children[node]

    async def serves(self, node: int) -> bool:
        """Whether the node answers a client's request now."""
        return await _brokers_known(LOOPBACK, self._client_ports[node]) > 0

    def address(self, node: int) -> str:
        """Where the node itself listens for clients."""
        return f"{LOOPBACK}:{self._client_ports[node]}"

    async def start(self, node: int | None = None) -> None:
        """Start one node or all, and return once they serve; StackError if they do not, or without Java."""
        self._class_path = self._class_path or await class_path()
        if self._quick and not self._options:
            self._options = (*QUICK, f"-XX:SharedArchiveFile={await archive(self._class_path, _archive)}")
        self._cluster_id = self._cluster_id or self._kept_cluster_id()
        wanted = [node] if node else [node for node in self.nodes if node not in self._children]
        await together(*[self._start_node(one) for one in wanted])
        await self._wait_until_serving(wanted)

    async def stop(self, node: int | None = None) -> None:
        """Shut down cleanly."""
        await together(*[child.terminate(STOP_GRACE_SECONDS) for child in self._taken(node)])

    async def kill(self, node: int | None = None) -> None:
        await together(*[child.kill() for child in self._taken(node)])

    async def restart(self, node: int | None = None) -> None:
        """Same data, same cluster id."""
        await self.stop(node)
        await self.start(node)

    def freeze(self, node: int | None = None) -> None:
        self._signal(node, signal.SIGSTOP)

    def thaw(self, node: int | None = None) -> None:
        self._signal(node, signal.SIGCONT)

    def _signal(self, node: int | None, number: signal.Signals) -> None:
        for one in [node] if node else list(self._children):
            self._children[one].signal(number)

    def _taken(self, node: int | None) -> list[Child]:
        names = [node] if node else list(self._children)
        return [self._children.pop(name) for name in names if name in self._children]

    async def _start_node(self, node: int) -> None:
        folder = self._home / f"node-{node}"
        private_folder(folder)
        properties = folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties(node).items()))
        log = self._logs / f"kafka-{node}.log"
        name = f"Kafka node {node}"
        if not (folder / "data" / "meta.properties").exists():
            command = [*self._java("kafka.tools.StorageTool"), "format", "-t", self._cluster_id]
            await run_to_end(
                f"formatting {name}",
                [*command, "-c", str(properties), *self._scram_arguments()],
                log=log,
                deadline_seconds=FORMAT_DEADLINE_SECONDS,
                cwd=folder,
            )
        self._children[node] = await Child.spawn(
            name, [*self._java("kafka.Kafka"), str(properties)], log=log, cwd=folder
        )

    def _scram_arguments(self) -> list[str]:
        return [
            part
            for name, password in self._scram_users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for part in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]

    def _java(self, main: str) -> list[str]:
        options = [f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in LOGGING.items()]
        return ["java", HEAP, *self._options, *options, "-cp", self._class_path, main]

    async def _wait_until_serving(self, wanted: list[int]) -> None:
        for node in wanted:
            child = self._children[node]
            await wait_for_port(LOOPBACK, self._client_ports[node], START_DEADLINE_SECONDS, child)
        try:
            async with asyncio.timeout(START_DEADLINE_SECONDS):
                for node in wanted:
                    await self._wait_until_known(node, len(self._children))
        except TimeoutError:
            raise StackError(
                f"Kafka did not serve within {START_DEADLINE_SECONDS:.0f} s (logs: {self._logs})"
            ) from None

    async def _wait_until_known(self, node: int, brokers: int) -> None:
        """The port opens before the controller lets the broker serve: ask for the brokers it knows."""
        while True:
            if await _brokers_known(LOOPBACK, self._client_ports[node]) >= brokers:
                return
            if not self._children[node].alive:
                raise StackError(self._children[node].ending())
            await asyncio.sleep(POLL_SECONDS)

    def _kept_cluster_id(self) -> str:
        path = self._home / "cluster-id"
        if not path.exists():
            private_folder(self._home)
            path.write_text(cluster_id())
        return path.read_text()

    def _properties(self, node: int) -> dict[str, str]:
        replicas = min(3, len(self.nodes))
        own = {
            "CLIENT": self.address(node),
            "INTERNAL": f"{LOOPBACK}:{self._internal_ports[node]}",
            "CONTROLLER": f"{LOOPBACK}:{self._controller_ports[node]}",
        }
        advertised = {
            "CLIENT": self._advertised.get(node, own["CLIENT"]),
            "INTERNAL": own["INTERNAL"],
        }
        more = {one.name: one.address for one in self._listeners}
        protocols = {**dict.fromkeys(own, "PLAINTEXT"), **{one.name: one.protocol for one in self._listeners}}
        voters = ",".join(f"{one}@{LOOPBACK}:{port}" for one, port in self._controller_ports.items())
        return {
            "process.roles": "broker,controller",
            "node.id": str(node),
            "controller.quorum.voters": voters,
            "listeners": _listeners({**own, **more}),
            "advertised.listeners": _listeners({**advertised, **more}),
            "listener.security.protocol.map": ",".join(f"{name}:{value}" for name, value in protocols.items()),
            **{
                f"listener.name.{one.name.lower()}.{name}": value
                for one in self._listeners
                for name, value in one.properties.items()
            },
            "inter.broker.listener.name": "INTERNAL",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._home / f"node-{node}" / "data"),
            "num.partitions": str(PARTITIONS),
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(replicas),
            "min.insync.replicas": str(max(1, replicas - 1)),
            "offsets.topic.num.partitions": str(PARTITIONS),
            "offsets.topic.replication.factor": str(replicas),
            "transaction.state.log.num.partitions": str(PARTITIONS),
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": str(max(1, replicas - 1)),
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": str(replicas),
            "share.coordinator.state.topic.min.isr": str(max(1, replicas - 1)),
            # A killed broker may register again only when its old session is over.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0",
            # Tests and drills wait for members that are gone, and would wait 6 s.
            "group.min.session.timeout.ms": "1000",
            # The default, 128 MB, is a third of this heap.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        }


async def _archive(path: Path) -> None:
    """Writes the classes that a broker loads, checked and laid out, to a file that the next ones start from."""
    with tempfile.TemporaryDirectory() as home:
        broker = ApacheKafka(Path(home), free_port())
        broker._options = (*QUICK, f"-XX:ArchiveClassesAtExit={path}")
        await broker.start()
        await broker.stop()


def _listeners(addresses: Mapping[str, str]) -> str:
    return ",".join(f"{name}://{address}" for name, address in addresses.items())


async def _brokers_known(host: str, port: int) -> int:
    """How many live brokers the node tells clients about; 0 if it does not answer."""
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(struct.pack(">i", len(METADATA_REQUEST)) + METADATA_REQUEST)
                size, _correlation, brokers = struct.unpack(">iii", await reader.readexactly(12))
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return 0
    return int(brokers) if size else 0
