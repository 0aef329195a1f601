"""Verifies an exported audit log without any code of Keymesh.

usage: verify_log.py LEAVES CHECKPOINT KEY     leaves: one a line; checkpoint: signed note; key: verifier key (note format)
Written from RFC 6962 section 2.1 and C2SP signed-note and tlog-checkpoint. Prints "<size> <root in hex>" or fails.
"""
import base64
import hashlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def tree_hash(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def open_note(note, key):
    name, key_id, encoded = key.split("+", 2)
    typed = base64.b64decode(encoded, validate=True)
    expected_id = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    assert typed[0] == 1 and expected_id.hex() == key_id, "not an Ed25519 verifier key"
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        raw = base64.b64decode(signature, validate=True)
        if dash == "\u2014" and signer == name and raw[:4] == expected_id:
            Ed25519PublicKey.from_public_bytes(typed[1:]).verify(raw[4:], text.encode())
            return name, text
    raise SystemExit("the checkpoint is not signed by this key")


leaves = open(sys.argv[1], "rb").read().split(b"\n")[:-1]
name, text = open_note(open(sys.argv[2], encoding="utf-8").read(), open(sys.argv[3]).read().strip())
origin, size, root = text.split("\n")[:3]
assert origin == name, "the checkpoint is of another log"
computed = tree_hash(leaves[: int(size)])
if len(leaves) < int(size) or computed != base64.b64decode(root):
    raise SystemExit("the leaves do not have the root that was signed")
print(size, computed.hex())
