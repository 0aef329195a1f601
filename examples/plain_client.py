"""Asks for a credential without the channel: embedded mode, loopback, for a principal with the role plain-reply.

    npx keymesh principal create py-billing --kind service --role reader --role plain-reply
    npx keymesh enrol --token TOKEN
    python3 examples/plain_client.py .keymesh/profiles/py-billing.json alpha-vantage

Needs the packages nats-py and nkeys. Writes the value's bytes to standard output.
"""

import asyncio
import json
import sys

import nats


async def main(profile_path: str, name: str) -> int:
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
        subject = f"keymesh.v1.rpc.{principal}.vault.credential.retrieve"
        reply = await client.request(subject, json.dumps({"name": name}).encode(), timeout=5)
        headers = reply.headers or {}
        if "Nats-Service-Error-Code" in headers:
            print(f"{headers['Nats-Service-Error']} ({headers['Nats-Service-Error-Code']})", file=sys.stderr)
            return 1
        json_size, *part_sizes = map(int, headers["Keymesh-Parts"].split(","))
        message = json.loads(reply.data[:json_size])
        part = message["values"]["value"]["$part"]
        start = json_size + sum(part_sizes[: part - 1])
        sys.stdout.buffer.write(reply.data[start : start + part_sizes[part - 1]])
        return 0
    finally:
        await client.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2])))
