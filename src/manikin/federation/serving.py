"""The coordinator's end of the line: Flower's Fleet API over TLS, in this process and with nothing else on its port.

Sites are nodes that Flower authenticates by their keys; none can register itself. Of Flower's server only the part that
passes messages is served: no stranger starts a run, and no program is sent to sites, as its SuperLink would do both.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.constant import (
    HEARTBEAT_MAX_INTERVAL,
    NOOP_ACCOUNT_NAME,
    NOOP_FLWR_AID,
    SUPERLINK_NODE_ID,
    SubStatus,
)
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID, NodeStatus, TaskType
from flwr.supercore.error import http_error_translator
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.protobuf.translation import ProtobufTranslationMiddleware
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.config_loader import get_objectstore_linkstate_factories
from flwr.superlink.federation import NoOpFederationManager
from flwr.superlink.routers.fleet.node_auth import NodeAuthMiddleware
from flwr.superlink.routers.fleet.router import router
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

from manikin.errors import FederationError
from manikin.federation.keys import Keys
from manikin.federation.letters import LETTER, Letter

MESSAGE_TYPE = "train"
_PAUSE_SECONDS = 0.05
_START_SECONDS = 20.0
# Flower ends a run whose task shows no sign of life for a minute.
_BEAT_SECONDS = 5.0


@contextmanager
def serving(host: str, port: int, keys: Keys) -> Iterator[FleetLink]:
    """Serve sites at an address for as long as the block runs.

    Raises:
        FederationError: The address can't be served.
        RequestError: A key is missing.
    """
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    _, factory = get_objectstore_linkstate_factories(FLWR_IN_MEMORY_DB_NAME, NoOpFederationManager())
    state = factory.state()
    nodes = {
        state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, key, 0, name=site): site for site, key in keys.sites.items()
    }
    run, task = _run(state)
    with _beating(state, task), _served(_app(factory), host, port, keys):
        try:
            yield FleetLink(state, run, nodes)
        finally:
            state.finish_task(task, SubStatus.COMPLETED, "")


@dataclass(frozen=True)
class FleetLink:
    """A link to sites by Flower: its state, the run to which messages belong, and the site of each node."""

    state: Any
    run: int
    nodes: Mapping[int, str]

    def present(self, many: int, seconds: float) -> frozenset[str]:
        """Wait until ``many`` sites are there, or for so many ``seconds``, and return who is."""
        end = time.monotonic() + seconds
        while len(there := self._online()) < many and time.monotonic() < end:
            time.sleep(_PAUSE_SECONDS)
        return there

    def ask(self, letters: Mapping[str, Letter], seconds: float) -> dict[str, Letter]:
        """Send each site its letter, and return what those answered who did so in time; others count as gone."""
        places = {site: node for node, site in self.nodes.items()}
        waiting = {self._sent(places[site], letter): site for site, letter in letters.items()}
        answered: dict[str, Letter] = {}
        end = time.monotonic() + seconds
        while waiting and time.monotonic() < end:
            for reply in self.state.get_message_res(message_ids=set(waiting), run_id=self.run):
                site = waiting.pop(reply.metadata.reply_to_message_id)
                if not reply.has_error() and (letter := self._read(reply, end)):
                    answered[site] = letter
            time.sleep(_PAUSE_SECONDS)
        self.state.delete_messages(message_ins_ids=set(waiting))
        for site in letters.keys() - answered.keys():
            # So that one which died can come back at once, and not only when it is missed for long.
            self.state.deactivate_node(places[site])
        return answered

    def _online(self) -> frozenset[str]:
        found = self.state.get_node_info(node_ids=list(self.nodes), statuses=[NodeStatus.ONLINE])
        return frozenset(self.nodes[node.node_id] for node in found)

    def _sent(self, node: int, letter: Letter) -> str:
        # Whether a site is too late is for whoever waits to say: one that is busy may miss its heartbeats.
        self.state.acknowledge_node_heartbeat(node, HEARTBEAT_MAX_INTERVAL)
        message = Message(RecordDict({LETTER: ConfigRecord(letter)}), node, MESSAGE_TYPE)
        with no_object_id_recompute():
            message.metadata.__dict__["_message_id"] = message.object_id
            session = self.state.start_session(self.run)
            _, wanted = self.state.store_message_and_object_tree(
                remove_content_from_message(message), get_object_tree(message), session
            )
            for name, part in get_all_nested_objects(message).items():
                if name in wanted:
                    self.state.store_object(self.run, session, name, part.deflate())
        return str(message.metadata.message_id)

    def _read(self, reply: Message, end: float) -> Letter | None:
        """Return the letter of a reply, whose parts may still be on their way; None where they don't come in time."""
        store, name = self.state.object_store, reply.metadata.message_id
        parts = [tree.object_id for tree in iterate_object_tree(store.get_object_tree(name))]
        while not all(store.get(part) for part in parts):
            if time.monotonic() > end:
                return None
            time.sleep(_PAUSE_SECONDS)
        whole: Any = inflate_object_from_contents(name, {part: store.get(part) for part in parts})
        return dict(whole.content[LETTER])


def _run(state: Any) -> tuple[int, int]:
    """Return a run, to which all messages belong, and its task, both begun by nobody but this process."""
    run = state.create_run(
        "manikin/federation", "1", "", {}, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID, TaskType.SERVER_APP
    )
    task = state.get_run_info(run_ids=[run])[0].primary_task_id
    state.claim_task(task)
    state.activate_task(task)
    TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = run, task, SUPERLINK_NODE_ID
    return run, task


@contextmanager
def _beating(state: Any, task: int) -> Iterator[None]:
    """Keep a task alive for as long as the block runs."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT_SECONDS):
            state.acknowledge_task_heartbeat(task)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _app(factory: Any) -> FastAPI:
    app = FastAPI(
        openapi_url=None,
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=http_error_translator),
            Middleware(ProtobufTranslationMiddleware),
            Middleware(NodeAuthMiddleware),
        ],
    )
    app.state.linkstate_factory = factory
    app.state.enable_supernode_auth = True
    app.include_router(router)
    return app


@contextmanager
def _served(app: FastAPI, host: str, port: int, keys: Keys) -> Iterator[None]:
    certificate, private = keys.certificate
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        raise FederationError(f"{host}:{port} can't be served: {error.strerror}. Choose another address.") from error
    server = uvicorn.Server(
        uvicorn.Config(app, ssl_certfile=certificate, ssl_keyfile=private, log_level="error", lifespan="off", ws="none")
    )
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        end = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > end:
                raise FederationError(f"{host}:{port} can't be served with {certificate}. Check it and its key.")
            time.sleep(_PAUSE_SECONDS)
        yield
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        listening.close()
