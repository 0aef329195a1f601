import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectCode, makeCertificate, startTestMesh, type TestMesh } from '@keymesh/testing';
import { connectMesh, type MeshTls } from '../src/index.js';

const authority = makeCertificate({ commonName: 'authority', isAuthority: true });
const stranger = makeCertificate({ commonName: 'stranger', isAuthority: true });
let folder: string;
let plain: TestMesh;
let encrypted: TestMesh;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keymesh-tls-'));
  const file = async (name: string, content: string): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const server = makeCertificate({ by: authority, names: [['dns', 'localhost']], usages: ['server'] });
  const caFile = await file('authority.pem', authority.pem);
  await file('stranger.pem', stranger.pem);
  await file('text.pem', 'no certificate');
  const files = {
    caFile,
    certFile: await file('s.pem', server.pem),
    keyFile: await file('s.key', server.keyPem),
  };
  plain = await startTestMesh({ streams: false });
  encrypted = await startTestMesh({
    streams: false,
    tls: { server: { ...files, verifyClients: false }, client: { caFile } },
  });
});
afterAll(async () => {
  await plain.stop();
  await encrypted.stop();
  await rm(folder, { recursive: true });
});

async function connectTo(mesh: TestMesh, servers: string, tls?: MeshTls): Promise<boolean> {
  const { name: principal, nkeySeed } = mesh.addPrincipal('billing');
  const connection = await connectMesh({
    ...{ servers, principal, nkeySeed },
    ...(tls === undefined ? {} : { tls }),
  });
  await connection.close();
  return true;
}
const pem = (name: string): MeshTls => ({ caFile: join(folder, name) });
const asTls = (url: string): string => url.replace('nats://', 'tls://');

describe('TLS to the NATS server', () => {
  it('connects where the certificate is of the authority', async () => {
    expect(await connectTo(encrypted, asTls(encrypted.server.url), pem('authority.pem'))).toBe(true);
  });

  it('is never left out where the address or the profile asks for it', async () => {
    await expectCode(connectTo(plain, asTls(plain.server.url)), 'CONFIG_INVALID');
    await expectCode(connectTo(plain, plain.server.url, pem('authority.pem')), 'CONFIG_INVALID');
    expect(await connectTo(plain, plain.server.url)).toBe(true);
  });

  it('says that the certificate does not hold, instead of that nobody answers', async () => {
    await expectCode(connectTo(encrypted, encrypted.server.url), 'CONFIG_INVALID');
    await expectCode(connectTo(encrypted, encrypted.server.url, pem('stranger.pem')), 'CONFIG_INVALID');
  });

  it('names a file that cannot be read, and one without a certificate is not taken', async () => {
    await expect(connectTo(encrypted, encrypted.server.url, pem('nowhere.pem'))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      publicMessage: expect.stringContaining('nowhere.pem') as unknown,
    });
    await expectCode(connectTo(encrypted, encrypted.server.url, pem('text.pem')), 'CONFIG_INVALID');
  });
});
