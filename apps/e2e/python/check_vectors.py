"""Makes every value of docs/reference/vectors/channel.json again with pyhpke and cryptography. Prints how many of each were checked."""

import json
import sys

from channel import SUITE, Rejected, Session, b64u, from_b64u, key_id, lp, public_half, read_frame, read_statement, sign
from sealed_request import asker_of, covered_by_certificate, covered_by_proof, seal, session_request


def unhex(text):
    return bytes.fromhex(text)


def same(what, made, expected):
    if made != expected:
        raise SystemExit(f"{what}: {made} is not {expected}")


def refuses(what, work):
    try:
        work()
    except Rejected:
        return
    raise SystemExit(f"{what}: was accepted")


def check_statement(vectors):
    statement, mesh = vectors["statement"], public_half(unhex(vectors["statement"]["meshSeed"]))
    payload = statement["payload"].encode()
    same("mesh key", b64u(mesh), vectors["meshPublicKey"])
    same("signed bytes", lp("keymesh/v1/channel-key", payload).hex(), statement["signed"])
    signature = sign(unhex(statement["meshSeed"]), "keymesh/v1/channel-key", payload)
    same("statement", f"{b64u(payload)}.{b64u(signature)}", statement["text"])
    public_key, _ = read_statement(statement["text"], mesh, statement["service"], vectors["now"])
    same("key id", key_id(public_key).hex(), statement["keyId"])
    for case in statement["refused"]:
        refuses(case["why"], lambda: read_statement(case["text"], mesh, statement["service"], case["now"]))
    return public_key


def check_setup(setup, service_public_key):
    same("service key", service_public_key.hex(), setup["servicePublicKey"])
    ephemeral = SUITE.kem.derive_key_pair(unhex(setup["ephemeralIkm"]))
    seed = unhex(setup["clientSeed"])
    same("client key", public_half(seed).hex(), setup["clientPublicKey"])
    session = Session(setup["principal"], seed, setup["service"], service_public_key, setup["expiry"], ephemeral)
    same("info", session.info.hex(), setup["info"])
    same("enc", session.enc.hex(), setup["enc"])
    same("signed", lp("keymesh/v1/channel-setup", lp(session.info, session.enc)).hex(), setup["signed"])
    same("header", session.header, setup["header"])
    same("request key", session.request_key.hex(), setup["requestKey"])
    same("reply base", session.reply_base.hex(), setup["replyBase"])
    same("session id", session.session_id.hex(), setup["sessionId"])
    return session


def check_message(session, message):
    request, reply = message["request"], message["reply"]
    about = message["subject"], message["requestId"]
    frame = unhex(request["plaintext"])
    sequence, body = session.seal(*about, message["deadlineMs"], request["partsHeader"], frame)
    same("sequence", sequence, request["sequence"])
    same("request", body.hex(), request["body"])
    sealed = unhex(reply["body"])
    for name, changed in {
        "a reply to another subject": (about[0] + "x", about[1], reply["replyHeader"], reply["partsHeader"], sealed),
        "a reply to another request": (about[0], about[1][:-1] + "f", reply["replyHeader"], reply["partsHeader"], sealed),
        "a reply cut into other parts": (*about, reply["replyHeader"], reply["partsHeader"] + ",0", sealed),
        "a reply with another counter": (*about, reply["replyHeader"] + "0", reply["partsHeader"], sealed),
        "a changed reply": (*about, reply["replyHeader"], reply["partsHeader"], bytes([sealed[0] ^ 1]) + sealed[1:]),
    }.items():
        refuses(name, lambda: session.open(*changed))
    opened = session.open(*about, reply["replyHeader"], reply["partsHeader"], sealed)
    same("reply", opened.hex(), reply["plaintext"])
    refuses("the same reply again", lambda: session.open(*about, reply["replyHeader"], reply["partsHeader"], sealed))
    read_frame(reply["partsHeader"], opened)


def check_sealed_request(vector):
    mesh, service = from_b64u(vector["meshPublicKey"]), vector["service"]
    public_key, _ = read_statement(vector["statement"], mesh, service, vector["now"])
    same("service key of the sealed request", public_key.hex(), vector["servicePublicKey"])
    same("its key id", key_id(public_key).hex(), vector["keyId"])
    ephemeral = SUITE.kem.derive_key_pair(unhex(vector["ephemeralIkm"]))
    info, sealed = seal(vector["operation"], service, public_key, unhex(vector["plaintext"]), ephemeral)
    same("info of the sealed request", info.hex(), vector["info"])
    same("sealed request", b64u(sealed), vector["sealed"])
    same("enc of the sealed request", sealed[:32].hex(), vector["enc"])


def check_session_request(vectors):
    seed = unhex(vectors["channelSeed"])
    for kind in ("token", "certificate"):
        vector = vectors[kind]
        request = vector["request"]
        keys = request["meshId"], request["nkey"]
        proof = {kind: request[kind]}
        covered = covered_by_proof(*keys, request["channelKey"], proof)
        same(f"what proves a {kind}", lp("keymesh/v1/session-request", covered).hex(), vector["signed"])
        same(f"request by {kind}", session_request(*keys, seed, proof), request)
        same("asker", asker_of(request["nkey"]), vectors["asker"])
    certificate = vectors["certificate"]["request"]["certificate"]
    made = covered_by_certificate(*keys, request["channelKey"], certificate["notAfter"])
    same("what a certificate signs", made.hex(), vectors["certificate"]["signedByItsKey"])


def main(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    session = check_setup(vectors["setup"], check_statement(vectors))
    for message in vectors["messages"]:
        check_message(session, message)
    check_sealed_request(vectors["sealedRequest"])
    check_session_request(vectors["sessionRequest"])
    counts = {
        "refusedStatements": len(vectors["statement"]["refused"]),
        "messages": len(vectors["messages"]),
        "sealedRequests": 1,
        "sessionRequests": 2,
    }
    print(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1])
