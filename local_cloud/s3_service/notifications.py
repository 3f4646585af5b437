"""Bucket notification configurations: read from and written to S3's XML, checked, matched with uploads."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import combinations
from xml.etree import ElementTree as ET

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_BRIDGE = "EventBridgeConfiguration"
_UNSUPPORTED = {"QueueConfiguration", "TopicConfiguration"}


class InvalidNotification(Exception):
    """S3 would refuse this configuration; `code` is its error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Notification:
    """A function to call for some events of a bucket, of keys with this prefix and suffix."""

    id: str
    function_arn: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""

    def matches(self, event_name: str, key: str) -> bool:
        """Return whether `event_name` (without `s3:`) of `key` matches; case matters."""
        is_asked = any(_covers(pattern, f"s3:{event_name}") for pattern in self.events)
        return is_asked and key.startswith(self.prefix) and key.endswith(self.suffix)

    def overlaps(self, other: Notification) -> bool:
        """Return whether one upload could match both; S3 refuses such a pair."""
        pairs = [(mine, theirs) for mine in self.events for theirs in other.events]
        has_shared_event = any(_covers(a, b) or _covers(b, a) for a, b in pairs)
        prefixes, suffixes = (self.prefix, other.prefix), (self.suffix, other.suffix)
        has_shared_key = (prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0])) and (
            suffixes[0].endswith(suffixes[1]) or suffixes[1].endswith(suffixes[0])
        )
        return has_shared_event and has_shared_key


@dataclass(frozen=True)
class Configuration:
    """The notifications of a bucket, and whether EventBridge is told of every event too."""

    notifications: tuple[Notification, ...] = ()
    tells_event_bridge: bool = False


def _covers(pattern: str, event: str) -> bool:
    return event == pattern or (pattern.endswith("*") and event.startswith(pattern[:-1]))


def parse_notifications(document: bytes) -> Configuration:
    """Return the configuration in the body of PutBucketNotificationConfiguration.

    Raise InvalidNotification where S3 would refuse them, or the local cloud does not implement one.
    """
    try:
        root = ET.fromstring(document)  # noqa: S314 from a client on this machine
    except ET.ParseError as error:
        raise InvalidNotification("MalformedXML", f"the configuration is not XML: {error}") from error
    for element in root:
        if _local(element) in _UNSUPPORTED:
            raise InvalidNotification(
                "NotImplemented", f"the local cloud does not implement {_local(element)}"
            )
    notifications = [_notification(element) for element in root if _local(element) != _BRIDGE]
    if any(one.overlaps(other) for one, other in combinations(notifications, 2)):
        raise InvalidNotification(
            "InvalidArgument",
            "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
        )
    return Configuration(tuple(notifications), any(_local(element) == _BRIDGE for element in root))


def _notification(element: ET.Element) -> Notification:
    texts = [(_local(child), (child.text or "").strip()) for child in element]
    values = dict(texts)
    filters = [child for child in element.iter() if _local(child) == "FilterRule"]
    parts = [{_local(part): part.text or "" for part in rule} for rule in filters]
    rules = {part.get("Name", "").lower(): part.get("Value", "") for part in parts}
    return Notification(
        id=values.get("Id") or secrets.token_hex(16),
        function_arn=values.get("CloudFunction") or values.get("LambdaFunctionArn", ""),
        events=tuple(text for name, text in texts if name == "Event"),
        prefix=rules.get("prefix", ""),
        suffix=rules.get("suffix", ""),
    )


def _local(element: ET.Element) -> str:
    """Return the element's name without its XML namespace."""
    return element.tag.rsplit("}", 1)[-1]


def render_notifications(configuration: Configuration) -> bytes:
    """Return the body of an answer to GetBucketNotificationConfiguration."""
    root = ET.Element("NotificationConfiguration", xmlns=_NAMESPACE)
    if configuration.tells_event_bridge:
        ET.SubElement(root, _BRIDGE)
    for notification in configuration.notifications:
        element = ET.SubElement(root, "CloudFunctionConfiguration")
        ET.SubElement(element, "Id").text = notification.id
        ET.SubElement(element, "CloudFunction").text = notification.function_arn
        for event in notification.events:
            ET.SubElement(element, "Event").text = event
        rules = {"Prefix": notification.prefix, "Suffix": notification.suffix}
        if any(rules.values()):
            key = ET.SubElement(ET.SubElement(element, "Filter"), "S3Key")
            for name in [name for name, value in rules.items() if value]:
                rule = ET.SubElement(key, "FilterRule")
                ET.SubElement(rule, "Name").text = name
                ET.SubElement(rule, "Value").text = rules[name]
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document
