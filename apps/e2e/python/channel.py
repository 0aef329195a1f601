"""The client's end of the Keymesh channel, written from docs/reference/channel.md and docs/reference/bus.md alone."""

import base64
import hashlib
import json
import re
import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyhpke import AEADId, CipherSuite, KDFId, KEMId

SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)
HOUR_MS = 3_600_000
MAX_STATEMENT_CHARS = 1024
MAX_MESSAGES = 2**20
CLOCK_SKEW_MS = 60_000
WINDOW = 4096


class Rejected(Exception):
    """Not authentic, or not well-formed. Why is told to nobody."""


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64u(text):
    """Accepts the canonical form only."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise Rejected from error
    if b64u(data) != text:
        raise Rejected
    return data


def lp(*fields):
    raw = [field.encode() if isinstance(field, str) else field for field in fields]
    return b"".join(struct.pack(">I", len(field)) + field for field in raw)


def u64(value):
    return struct.pack(">Q", value)


def sign(seed, purpose, message):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(lp(purpose, message))


def public_half(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def read_statement(text, mesh_public_key, service, now_ms):
    """Section 1. Returns (X25519 public key, not after). Raises Rejected."""
    if len(text) > MAX_STATEMENT_CHARS or text.count(".") != 1:
        raise Rejected
    payload, signature = (from_b64u(part) for part in text.split("."))
    try:
        Ed25519PublicKey.from_public_bytes(mesh_public_key).verify(signature, lp("keymesh/v1/channel-key", payload))
        fields = json.loads(payload.decode())
    except (InvalidSignature, ValueError) as error:
        raise Rejected from error
    if set(fields) != {"notAfter", "notBefore", "publicKey", "service", "v"} or fields["v"] != 1:
        raise Rejected
    # Names and numbers of this statement are such that sorted and without spaces is RFC 8785 already.
    if json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() != payload:
        raise Rejected
    not_before, not_after = fields["notBefore"], fields["notAfter"]
    public_key = from_b64u(fields["publicKey"])
    if fields["service"] != service or len(public_key) != 32 or not 0 < not_after - not_before <= 24 * HOUR_MS:
        raise Rejected
    if now_ms + CLOCK_SKEW_MS < not_before or now_ms >= not_after:
        raise Rejected
    return public_key, not_after


def key_id(public_key):
    return hashlib.sha256(public_key).digest()[:16]


class Session:
    """Sections 2 and 3."""

    def __init__(self, principal, channel_seed, service, service_public_key, expiry_ms, ephemeral=None):
        client_public_key = public_half(channel_seed)
        identifier = key_id(service_public_key)
        self.info = lp(
            "keymesh/v1/channel-setup",
            principal,
            client_public_key,
            service,
            identifier,
            service_public_key,
            u64(expiry_ms),
        )
        recipient = SUITE.kem.deserialize_public_key(service_public_key)
        self.enc, context = SUITE.create_sender_context(recipient, info=self.info, eks=ephemeral)
        signature = sign(channel_seed, "keymesh/v1/channel-setup", lp(self.info, self.enc))
        self.header = b64u(
            b"\x01"
            + bytes([len(principal)])
            + principal.encode()
            + client_public_key
            + bytes([len(service)])
            + service.encode()
            + identifier
            + u64(expiry_ms)
            + self.enc
            + signature
        )
        self.request_key = context.export(b"keymesh/v1/channel/request-key", 32)
        self.reply_base = context.export(b"keymesh/v1/channel/reply-key", 32)
        self.session_id = context.export(b"keymesh/v1/channel/session-id", 16)
        self.sequence = 0
        self.seen = {}

    def seal(self, subject, request_id, deadline_ms, parts, frame):
        """Returns (sequence, body)."""
        if self.sequence >= MAX_MESSAGES:
            raise Rejected
        self.sequence += 1
        n = self.sequence
        aad = lp("keymesh/v1/channel", "request", subject, request_id, u64(n), u64(deadline_ms), parts)
        return n, AESGCM(self.request_key).encrypt(nonce(n), frame, aad)

    def open(self, subject, request_id, reply_header, parts, body):
        """Returns the frame. Raises Rejected."""
        match = re.fullmatch(r"([A-Za-z0-9_-]{43}),([1-9][0-9]{0,6})", reply_header)
        if match is None or int(match[2]) > MAX_MESSAGES:
            raise Rejected
        salt, n = from_b64u(match[1]), int(match[2])
        aad = lp("keymesh/v1/channel", "reply", subject, request_id, u64(n), b"", parts)
        try:
            frame = AESGCM(self.reply_key(salt)).decrypt(nonce(n), body, aad)
        except InvalidTag as error:
            raise Rejected from error
        counters = self.seen.setdefault(salt, set())
        if n in counters or n <= max(counters, default=0) - WINDOW:
            raise Rejected
        counters.add(n)
        return frame

    def reply_key(self, salt):
        info = b"keymesh/v1/channel/instance-reply-key"
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(self.reply_base)


def nonce(n):
    return b"\0\0\0\0" + u64(n)


def read_frame(parts, frame):
    """docs/reference/bus.md: the JSON part, and the binary parts in order."""
    sizes = [int(size) for size in parts.split(",")] if parts else [len(frame)]
    if sum(sizes) != len(frame):
        raise Rejected
    pieces, at = [], 0
    for size in sizes:
        pieces.append(frame[at : at + size])
        at += size
    return json.loads(pieces[0] or b"{}"), pieces[1:]
