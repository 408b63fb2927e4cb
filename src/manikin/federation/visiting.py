"""A site's end of the line: it calls the coordinator over TLS, proves who it is by its key, and answers letters.

Nothing has to be open at the site. Of Flower it is the client of the Fleet API and no SuperNode, which would run the
program that a coordinator sends, beside the records.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import ActivateNodeRequest, DeactivateNodeRequest, PullMessagesRequest, PushMessagesRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree, push_objects
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from manikin.errors import FederationError, ManikinError
from manikin.federation.keys import Keys
from manikin.federation.letters import LETTER, REFUSED, Letter, Stage
from manikin.federation.site import Site

T = TypeVar("T")

_PAUSE_SECONDS = 0.25
# For twice as long a site counts as there without a sign of life: counting may leave it no breath for one.
_BEAT_SECONDS = 300
_LATER = (httpx.codes.PRECONDITION_FAILED, 502, 503, 504)
_REASONS = {
    httpx.codes.PRECONDITION_FAILED: "doesn't know this site's key, or another process of this site is connected.",
    httpx.codes.UNAUTHORIZED: "doesn't believe this site's signature: it was started anew, or the clocks differ.",
    httpx.codes.FORBIDDEN: "has ended the round.",
}


def visit(site: Site, address: str, keys: Keys, *, wait: float, tell: Callable[[str], None]) -> tuple[str, ...]:
    """Answer a coordinator's letters until it says how the round ended, and return the sites that are in the sum.

    Args:
        site: Who answers.
        address: Where the coordinator is, as host:port.
        keys: By what both know each other.
        wait: For how many seconds a coordinator is called that doesn't answer.
        tell: Is told what happens, in words for the people at the site.

    Raises:
        FederationError: The coordinator can't be reached, or the site is not in the sum and never refused.
        ManikinError: The site refused; nothing was sent.
    """
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    refusal: ManikinError | None = None
    tell(f"calling {address}")
    with _connected(site, address, keys, wait) as line:
        while site.outcome is None:
            for message in line.letters():
                letter: Letter = dict(message.content[LETTER])
                try:
                    reply = site.respond(letter)
                    tell(_told(site, letter))
                except ManikinError as error:
                    # The error may be about records, so the coordinator is told its kind; its text stays here.
                    refusal, reply = error, {REFUSED: type(error).__name__}
                    tell(f"refused: {error}")
                line.send(reply, message)
            time.sleep(_PAUSE_SECONDS)
    if site.name not in site.outcome:
        raise refusal or FederationError(
            f"'{site.name}' is not in the sum of {', '.join(site.outcome) or 'nobody'}. What it may have paid for is in "
            f"{site.journal.folder}, and is not paid for again when the round is repeated."
        )
    return site.outcome


def _told(site: Site, letter: Letter) -> str:
    """Return in words what a letter asked for and got."""
    if letter["stage"] == Stage.ANNOUNCE and site.attempt is not None:
        plan = site.attempt.plan
        return f"asked for {plan.what}; rho {plan.rho:g}, noise of standard deviation {plan.sigma:.3g} in each cell"
    return f"answered '{letter['stage']}'"


@dataclass(frozen=True)
class _Line:
    """A connection to a coordinator: the client, the node that the site is, and how a call is repeated when it fails."""

    client: Any
    node: Any
    calling: Callable[[Callable[[], Any]], Any]

    def letters(self) -> Iterator[Message]:
        """Yield the letter that has come, if one has."""
        found = self.calling(lambda: self.client.PullMessages(PullMessagesRequest(node=self.node)))
        for told, tree in zip(found.messages_list, found.message_object_trees, strict=True):
            run = message_from_proto(told).metadata.run_id
            message = pull_and_inflate_object_from_tree(
                tree,
                make_pull_object_fn_protobuf(self.client.PullObject, self.node, run),
                make_confirm_message_received_fn_protobuf(self.client.ConfirmMessageReceived, self.node, run),
                return_type=Message,
            )
            message.metadata.__dict__["_message_id"] = tree.object_id
            yield message

    def send(self, letter: Letter, to: Message) -> None:
        """Send a letter as the answer to a message."""
        run = to.metadata.run_id
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = run, self.node.node_id, 0
        reply = Message(RecordDict({LETTER: ConfigRecord(letter)}), reply_to=to)
        reply.metadata.__dict__["_message_id"] = reply.object_id
        with no_object_id_recompute():
            request = PushMessagesRequest(
                node=self.node,
                messages_list=[message_to_proto(remove_content_from_message(reply))],
                message_object_trees=[get_object_tree(reply)],
                clientapp_runtime_list=[0.0],
            )
            wanted = self.calling(lambda: self.client.PushMessages(request))
            push = make_push_object_fn_protobuf(self.client.PushObject, self.node, run, wanted.session_id)
            push_objects(get_all_nested_objects(reply), push, object_ids_to_push=set(wanted.objects_to_push))


@contextmanager
def _connected(site: Site, address: str, keys: Keys, wait: float) -> Iterator[_Line]:
    public = site.key.public_key()
    proof = [RuntimeVersionHttpInterceptor(component_name="SuperNode"), NodeAuthHttpInterceptor(site.key, public)]

    def calling(call: Callable[[], T]) -> T:
        return _calling(call, address, wait)

    with FleetHttpClient.from_server_address(address, False, keys.authority, interceptors=proof) as client:
        asked = ActivateNodeRequest(public_key=public_key_to_bytes(public), heartbeat_interval=_BEAT_SECONDS)
        node = Node(node_id=calling(lambda: client.ActivateNode(asked)).node_id)
        beat = SendNodeHeartbeatRequest(node=node, heartbeat_interval=_BEAT_SECONDS)
        heart = HeartbeatSender(lambda: _beats(client, beat))
        heart.start()
        try:
            yield _Line(client, node, calling)
        finally:
            heart.stop()
            _leave(client, node)


def _beats(client: Any, beat: Any) -> bool:
    try:
        return bool(client.SendNodeHeartbeat(beat).success)
    except httpx.HTTPError:
        return False


def _leave(client: Any, node: Any) -> None:
    try:
        client.DeactivateNode(DeactivateNodeRequest(node_id=node.node_id))
    except httpx.HTTPError:
        return  # the coordinator is gone already, and so needn't know


def _calling(call: Callable[[], T], address: str, wait: float) -> T:
    """Return what a call answers, repeated for so many seconds while the coordinator isn't there or isn't ready."""
    end = time.monotonic() + wait
    while True:
        try:
            return call()
        except httpx.HTTPError as error:
            if time.monotonic() > end or not _may_pass(error):
                raise FederationError(f"The coordinator at {address} {_why(error)}") from error
        time.sleep(2 * _PAUSE_SECONDS)


def _may_pass(error: httpx.HTTPError) -> bool:
    """Tell whether a call may succeed later: while nobody is there, or the place of this site is still taken."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _LATER
    return "CERTIFICATE_VERIFY_FAILED" not in str(error)


def _why(error: httpx.HTTPError) -> str:
    if not isinstance(error, httpx.HTTPStatusError):
        return f"can't be reached: {error}. Check the address, the firewall and authority.pem."
    return _REASONS.get(error.response.status_code, f"answers {error.response.status_code}.")
