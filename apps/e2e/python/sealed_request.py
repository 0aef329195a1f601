"""Sealed requests and what opens a session, written from docs/reference/channel.md section 8 alone."""

import hashlib
import json

from channel import SUITE, b64u, key_id, lp, public_half, sign


def seal(operation, service, service_public_key, plaintext, ephemeral=None):
    """Returns (info, enc ‖ ciphertext ‖ tag)."""
    info = lp("keymesh/v1/sealed-request", operation, service, key_id(service_public_key), service_public_key)
    recipient = SUITE.kem.deserialize_public_key(service_public_key)
    enc, context = SUITE.create_sender_context(recipient, info=info, eks=ephemeral)
    return info, enc + context.seal(plaintext)


def asker_of(nkey):
    """Under which name somebody asks for a session."""
    return "session-" + hashlib.sha256(nkey.encode()).hexdigest()[:40]


def covered_by_proof(mesh_id, nkey, channel_key, proof):
    """`proof` is {"token": …} or {"certificate": {"chain", "notAfter", "signature"}}."""
    keys = mesh_id, nkey, channel_key
    if "token" in proof:
        return lp(*keys, "token", proof["token"])
    certificate = proof["certificate"]
    return lp(*keys, "certificate", *certificate["chain"], certificate["notAfter"], certificate["signature"])


def covered_by_certificate(mesh_id, nkey, channel_key, not_after):
    """What the certificate's own key signs."""
    return lp("keymesh/v1/certificate-proof", mesh_id, nkey, channel_key, not_after)


def session_request(mesh_id, nkey, channel_seed, proof):
    """The plaintext, proven by the fresh channel key."""
    channel_key = b64u(public_half(channel_seed))
    covered = covered_by_proof(mesh_id, nkey, channel_key, proof)
    signature = b64u(sign(channel_seed, "keymesh/v1/session-request", covered))
    return {"v": 1, "meshId": mesh_id, "nkey": nkey, "channelKey": channel_key, **proof, "proof": signature}


def sealed_body(operation, service, service_public_key, request):
    """The body of the plain request that carries it."""
    _, sealed = seal(operation, service, service_public_key, json.dumps(request).encode())
    return json.dumps({"keyId": key_id(service_public_key).hex(), "sealed": b64u(sealed)}).encode()
