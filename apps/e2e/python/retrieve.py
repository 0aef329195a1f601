"""Retrieves credentials through the channel with a profile, nats-py, pyhpke and cryptography; nothing of the project's code.

    python3 retrieve.py PROFILE NAME...

Prints one line of JSON for each name: {"name", "version", "value" (base64), "sequence"} or {"name", "error"}; all in one session.
"""

import asyncio
import base64
import json
import sys
import time
import uuid

import nats
from channel import HOUR_MS, Rejected, Session, from_b64u, read_frame, read_statement

DEADLINE_MS = 20_000


def now_ms():
    return int(time.time() * 1000)


async def ask(client, subject, headers, body):
    return await client.request(subject, body, timeout=DEADLINE_MS / 1000, headers=headers)


async def open_session(client, profile, service):
    """Section 1: the service tells its keys; the first that the pinned mesh key vouches for is used."""
    principal = profile["principal"]
    headers = {"Keymesh-Parts": "2", "Keymesh-Request-Id": str(uuid.uuid4()), "Keymesh-Deadline-Ms": str(DEADLINE_MS)}
    reply = await ask(client, f"keymesh.v1.rpc.{principal}.{service}.channel.describe", headers, b"{}")
    message, _ = read_frame((reply.headers or {}).get("Keymesh-Parts", ""), reply.data)
    for text in message["statements"]:
        try:
            key, not_after = read_statement(text, from_b64u(profile["meshPublicKey"]), service, now_ms())
        except Rejected:
            continue
        expiry = min(now_ms() + 12 * HOUR_MS, not_after)
        return Session(principal, from_b64u(profile["channelSeed"]), service, key, expiry)
    raise SystemExit("no key of the service is vouched for by the mesh key")


async def retrieve(client, session, principal, name):
    subject = f"keymesh.v1.rpc.{principal}.vault.credential.retrieve"
    frame = json.dumps({"name": name}).encode()
    request_id, parts = str(uuid.uuid4()), str(len(frame))
    sequence, body = session.seal(subject, request_id, DEADLINE_MS, parts, frame)
    headers = {
        "Keymesh-Parts": parts,
        "Keymesh-Request-Id": request_id,
        "Keymesh-Deadline-Ms": str(DEADLINE_MS),
        "Keymesh-Channel": session.header,
        "Keymesh-Channel-Sequence": str(sequence),
    }
    reply = await ask(client, subject, headers, body)
    answered = reply.headers or {}
    if "Keymesh-Channel-Reply" not in answered:
        # Not authenticated: whatever it says, there is no answer.
        return {"name": name, "unauthenticated": answered.get("Nats-Service-Error", "")}
    reply_parts = answered.get("Keymesh-Parts", "")
    opened = session.open(subject, request_id, answered["Keymesh-Channel-Reply"], reply_parts, reply.data)
    message, binary = read_frame(reply_parts, opened)
    if "error" in message:
        return {"name": name, "error": message["error"]["code"]}
    value = binary[message["values"]["value"]["$part"] - 1]
    encoded = base64.b64encode(value).decode()
    return {"name": name, "version": message["version"], "value": encoded, "sequence": sequence}


async def main(profile_path, names):
    with open(profile_path, encoding="utf-8") as file:
        profile = json.load(file)
    principal = profile["principal"]
    client = await nats.connect(
        profile["natsUrl"],
        nkeys_seed_str=profile["nkeySeed"],
        inbox_prefix=f"_INBOX_{principal}".encode(),
        allow_reconnect=False,
    )
    try:
        session = await open_session(client, profile, "vault")
        for name in names:
            print(json.dumps(await retrieve(client, session, principal, name)))
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
