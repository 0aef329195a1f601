import { describe, expect, test } from '@jest/globals';
import { makeRig, REPLY, REQUEST } from '../test/rig.js';

describe('a session between client and service', () => {
  test('carries a request and its reply', async () => {
    const { client, service } = await (await makeRig()).pair();
    expect(service.principal).toBe('billing');
    expect(service.sessionId).toBe(client.sessionId);
    expect(client.sessionId).toMatch(/^[0-9a-f]{32}$/);
    const sent = client.encryptRequest(REQUEST);
    expect(sent.sequence).toBe(1);
    expect(sent.body).toHaveLength(REQUEST.body.length + 16);
    const received = service.decryptRequest({ ...REQUEST, ...sent });
    expect(Buffer.from(received)).toEqual(Buffer.from(REQUEST.body));
    const answer = service.encryptReply(REPLY);
    expect(Buffer.from(client.decryptReply({ ...REPLY, ...answer }))).toEqual(Buffer.from(REPLY.body));
  });
});
