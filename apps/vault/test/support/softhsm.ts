import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const TOOLS = join(import.meta.dirname, '../../../../.keymesh-tools/softhsm/usr/lib');

/** `npm test` provides it (scripts/provision/softhsm.mjs). */
function findModule(): string {
  const given = process.env.KEYMESH_SOFTHSM;
  if (given !== undefined) return given;
  const found = existsSync(TOOLS)
    ? readdirSync(TOOLS).map((name) => join(TOOLS, name, 'softhsm', 'libsofthsm2.so'))
    : [];
  const module = ['/usr/lib/softhsm/libsofthsm2.so', ...found].find((path) => existsSync(path));
  if (module === undefined)
    throw new Error('libsofthsm2.so is not there: run `npm test`, or set KEYMESH_SOFTHSM');
  return module;
}

export interface SoftHsm {
  readonly module: string;
  readonly pin: string;
  readonly tokenLabel: string;
  /** Environment in which the module finds its tokens. */
  readonly environment: Readonly<Record<string, string>>;
  /** Folder with the tokens: without it nobody is at home. */
  readonly tokens: string;
  /** Runs a script over `api` (PKCS11), `constants`, `session` (logged in, read-write) in a process of its own, as an operator's tool would. */
  administer(script: string): Promise<void>;
  stop(): Promise<void>;
}

/** As an operator makes it: a 256-bit AES key that never leaves the token. */
export const keyScript = (label: string, attributes = 'extractable: false, sensitive: true'): string => `{
  const { extractable, sensitive } = { ${attributes} };
  api.C_GenerateKey(session, { mechanism: constants.CKM_AES_KEY_GEN }, [
    { type: constants.CKA_TOKEN, value: true }, { type: constants.CKA_PRIVATE, value: true },
    { type: constants.CKA_LABEL, value: ${JSON.stringify(label)} }, { type: constants.CKA_VALUE_LEN, value: 32 },
    { type: constants.CKA_ENCRYPT, value: true }, { type: constants.CKA_DECRYPT, value: true },
    { type: constants.CKA_EXTRACTABLE, value: extractable }, { type: constants.CKA_SENSITIVE, value: sensitive },
  ]); }`;

/** Imports a key whose bytes are known, for golden files. */
export const importScript = (label: string, hex: string): string => `
  api.C_CreateObject(session, [
    { type: constants.CKA_CLASS, value: constants.CKO_SECRET_KEY }, { type: constants.CKA_KEY_TYPE, value: constants.CKK_AES },
    { type: constants.CKA_TOKEN, value: true }, { type: constants.CKA_PRIVATE, value: true },
    { type: constants.CKA_LABEL, value: ${JSON.stringify(label)} }, { type: constants.CKA_VALUE, value: Buffer.from('${hex}', 'hex') },
    { type: constants.CKA_ENCRYPT, value: true }, { type: constants.CKA_DECRYPT, value: true },
    { type: constants.CKA_EXTRACTABLE, value: false }, { type: constants.CKA_SENSITIVE, value: true },
  ]);`;

/** A SoftHSM2 token of its own in a temporary folder, with the AES keys \`kek\` and \`other\`. */
export async function startSoftHsm(): Promise<SoftHsm> {
  const folder = await mkdtemp(join(tmpdir(), 'keymesh-softhsm-'));
  const tokens = join(folder, 'tokens');
  mkdirSync(tokens);
  const configFile = join(folder, 'softhsm2.conf');
  writeFileSync(
    configFile,
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  const [module, pin, tokenLabel] = [findModule(), randomBytes(8).toString('hex'), 'keymesh-test'];
  const officerPin = randomBytes(8).toString('hex');
  const environment = { SOFTHSM2_CONF: configFile };
  const run = (script: string): Promise<unknown> =>
    promisify(execFile)(process.execPath, ['-e', script], { env: environment });
  const head = `
    const constants = require(${JSON.stringify(createRequire(import.meta.url).resolve('pkcs11js'))});
    const api = new constants.PKCS11();
    api.load(${JSON.stringify(module)});
    api.C_Initialize();
    const open = (slot) => api.C_OpenSession(slot, constants.CKF_RW_SESSION | constants.CKF_SERIAL_SESSION);`;
  const inSession = (script: string): string => `${head}
    const slot = api.C_GetSlotList(true).find((one) => api.C_GetTokenInfo(one).label.trim() === ${JSON.stringify(tokenLabel)});
    const session = open(slot);
    api.C_Login(session, constants.CKU_USER, ${JSON.stringify(pin)});
    ${script}`;
  await run(`${head}
    const [free] = api.C_GetSlotList(true);
    api.C_InitToken(free, ${JSON.stringify(officerPin)}, ${JSON.stringify(tokenLabel.padEnd(32))});
    const [slot] = api.C_GetSlotList(true);
    const session = open(slot);
    api.C_Login(session, constants.CKU_SO, ${JSON.stringify(officerPin)});
    api.C_InitPIN(session, ${JSON.stringify(pin)});`);
  await run(inSession(keyScript('kek') + keyScript('other')));
  return {
    module,
    pin,
    tokenLabel,
    environment,
    tokens,
    async administer(script) {
      await run(inSession(script));
    },
    stop: () => rm(folder, { recursive: true, force: true }),
  };
}
