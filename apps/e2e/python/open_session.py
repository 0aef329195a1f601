"""Opens a session with a token, with nats-py, nkeys, pyhpke and cryptography; nothing of the project's code.

    python3 open_session.py PLACE TOKEN_FILE PROFILE

PLACE is JSON with natsUrl, meshId and meshPublicKey. Writes PROFILE for retrieve.py. Prints the answer, or {"error"}.
"""

import asyncio
import json
import os
import sys
import uuid

import nkeys
from channel import Rejected, b64u, from_b64u, read_frame, read_statement
from nats.aio.client import Client
from retrieve import DEADLINE_MS, ask, now_ms
from sealed_request import asker_of, sealed_body, session_request


class SessionClient(Client):
    """The NATS server is told beside the nkey that a session is wanted; nats-py has no option for both."""

    def _connect_command(self):
        verb, options = super()._connect_command().split(b" ", 1)
        return verb + b" " + json.dumps({**json.loads(options), "user": "session"}).encode() + b"\r\n"


async def ask_plain(client, subject, body):
    headers = {
        "Keymesh-Parts": str(len(body)),
        "Keymesh-Request-Id": str(uuid.uuid4()),
        "Keymesh-Deadline-Ms": str(DEADLINE_MS),
    }
    reply = await ask(client, subject, headers, body)
    message, _ = read_frame((reply.headers or {}).get("Keymesh-Parts", ""), reply.data)
    return message


async def policy_key(client, asker, mesh_public_key):
    message = await ask_plain(client, f"keymesh.v1.rpc.{asker}.policy.channel.describe", b"{}")
    for text in message["statements"]:
        try:
            return read_statement(text, from_b64u(mesh_public_key), "policy", now_ms())[0]
        except Rejected:
            continue
    # Fails closed: without a vouched key there is nobody to seal the token to, and the program ends having sent nothing.
    raise SystemExit("no key of the service is vouched for by the mesh key")


async def main(place_path, token_path, profile_path):
    with open(place_path, encoding="utf-8") as file:
        place = json.load(file)
    with open(token_path, encoding="utf-8") as file:
        token = file.read().strip()
    channel_seed = os.urandom(32)
    nkey_seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER).decode()
    nkey = nkeys.from_seed(bytearray(nkey_seed.encode())).public_key.decode()
    asker = asker_of(nkey)
    client = SessionClient()
    await client.connect(
        place["natsUrl"],
        nkeys_seed_str=nkey_seed,
        inbox_prefix=f"_INBOX_{asker}".encode(),
        allow_reconnect=False,
    )
    try:
        key = await policy_key(client, asker, place["meshPublicKey"])
        request = session_request(place["meshId"], nkey, channel_seed, {"token": token})
        body = sealed_body("openSession", "policy", key, request)
        answer = await ask_plain(client, f"keymesh.v1.rpc.{asker}.policy.session.open", body)
    finally:
        await client.close()
    if "error" in answer:
        print(json.dumps({"error": answer["error"]["code"]}))
        return
    profile = {
        "principal": answer["principal"],
        "natsUrl": place["natsUrl"],
        "meshPublicKey": place["meshPublicKey"],
        "nkeySeed": nkey_seed,
        "channelSeed": b64u(channel_seed),
    }
    with open(os.open(profile_path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
        json.dump(profile, file)
    print(json.dumps({"principal": answer["principal"], "expiresAt": answer["expiresAt"]}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
