import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Keymesh } from '@keymesh/client';
import { retrieveCredential, storeCredential, STREAMS } from '@keymesh/contracts';
import { eventually } from '@keymesh/testing';
import { readLog } from './support/audit-log.js';
import { canaryValue, formsOf, makeMarker, type Form } from './support/canary.js';
import { DATABASE, openMeshDatabase, type MeshDatabase } from './support/database.js';
import { connectDeploy } from './support/deploy.js';
import { meshStatus } from './support/kill.js';
import { countInMemory } from './support/memory.js';
import { connectOperator, enrolAs } from './support/principals.js';
import { plantAlert, plantLog, plantProcess, plantSpan } from './support/plant-control.js';
import { viewMesh, type ProcessView } from './support/processes.js';
import { startMesh, type CommandResult, type RunningMesh } from './support/running-mesh.js';
import { searchBytes, searchFolder, type Hit } from './support/search.js';
import { inTrace, newTraceId } from './support/trace-ids.js';
import { tapBroker } from './support/wiretap.js';
import { connectWire, plainRequest, type WireClient } from './support/wire.js';

// Promise 7 of DESIGN.md: secrets do not leak sideways. Known values go through everything that a mesh does with values, well and badly;
// then everything that is left of it is searched. A control that was planted on purpose must be found in each kind of place, else
// finding nothing means nothing.
const SECRET = makeMarker();
/** Of the one value that is asked for without the channel. */
const PLAIN = makeMarker();
const CONTROL = makeMarker();
const READS = 50;
const value = (sort: string): string => canaryValue(SECRET, sort);

interface Place {
  readonly place: string;
  readonly bytes: Buffer;
}

let mesh: RunningMesh;
let operator: Keymesh;
let reader: Keymesh;
let plain: WireClient;
let database: MeshDatabase;
let folder: string;
/** Markers by name; values that the vault makes join as they become known. */
const markers: Record<string, readonly Form[]> = {
  secret: formsOf(SECRET),
  plain: formsOf(PLAIN),
  control: formsOf(CONTROL),
};
/** What was printed, thrown and told, and looked at while the mesh ran. */
const seen: Place[] = [];
const remember = (place: string, content: Uint8Array | string): void =>
  void seen.push({ place, bytes: Buffer.from(content) });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keymesh-canary-'));
  mesh = await startMesh({ env: { OTEL_TRACES_SAMPLER: 'always_on', KEYMESH_LOG_LEVEL: 'trace' } });
  const first = await connectOperator(mesh);
  operator = first.keymesh;
  reader = await connect({ profile: await enrolAs(mesh, first, 'canary-reader', ['reader']) });
  plain = await connectWire(await enrolAs(mesh, first, 'canary-plain', ['reader', 'plain-reply']));
  database = await openMeshDatabase(mesh);
  await tapBroker(mesh);
}, 180_000);
afterAll(async () => {
  await Promise.all([operator, reader, plain].map((client) => client.close()));
  await mesh[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** Types a command; what it prints is searched, but for the standard output of one that shall print a value. */
async function type(args: readonly string[], input?: string): Promise<CommandResult> {
  const result = await mesh.cli(args, input === undefined ? {} : { input });
  const name = `keymesh ${args.slice(0, 2).join(' ')}`;
  remember(`${name}: standard error`, result.stderr);
  if (args[0] !== 'retrieve') remember(`${name}: standard output`, result.stdout);
  return result;
}

/** Expects a failure; all that can be seen of it is searched. */
async function fails(place: string, work: () => Promise<unknown>): Promise<void> {
  const error = await inTrace(newTraceId(), work, { recorded: true }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect([place, error]).toEqual([place, expect.any(Error)]);
  remember(place, inspect(error, { depth: 12, showHidden: true }));
}
const recorded = <T>(work: () => Promise<T>): Promise<T> => inTrace(newTraceId(), work, { recorded: true });

describe('values go', () => {
  it('through the command line', async () => {
    const file = join(folder, 'value.txt');
    await writeFile(file, value('file'));
    expect(await type(['store', 'canary/cli'], value('stdin'))).toMatchObject({ code: 0 });
    expect(await type(['store', 'canary/file', '--value-file', file])).toMatchObject({ code: 0 });
    const login = ['store', 'canary/login', '--type', 'username_password', '--username', value('user')];
    expect(await type([...login, '--json'], value('Password'))).toMatchObject({ code: 0 });
    expect(await type(['store', 'canary/cli', '--new-version'], value('second'))).toMatchObject({ code: 0 });
    const shown = await type(['retrieve', 'canary/cli', '--verbose']);
    expect(shown.stdout.toString()).toBe(value('second'));
    expect(await type(['retrieve', 'canary/login', '--json'])).toMatchObject({ code: 0 });
    expect(await type(['retrieve', 'canary/login', '--part', 'username'])).toMatchObject({ code: 0 });
    for (const command of ['describe', 'history']) await type([command, 'canary/cli', '--json']);
    await type(['list', '--json']);
  }, 60_000);

  it('through the SDK', async () => {
    const bytes = Buffer.concat([randomBytes(5), Buffer.from(value('bytes')), randomBytes(5)]);
    await recorded(() => operator.credentials.store({ name: 'canary/sdk', type: 'generic', value: bytes }));
    for (const client of [operator, reader]) {
      const credential = await recorded(() => client.credentials.retrieve('canary/sdk'));
      remember(
        'a retrieved credential, printed',
        `${inspect(credential, { depth: 12, showHidden: true })} ${JSON.stringify(credential)}`,
      );
      // EXPOSE: the spec's own value.
      expect(Buffer.from(credential.value.expose()).equals(bytes)).toBe(true);
      credential.dispose();
    }
    await recorded(() => operator.credentials.delete('canary/sdk'));
    for (let n = 0; n < READS; n += 1) (await reader.credentials.retrieve('canary/cli')).dispose();
  }, 30_000);

  it('into refusals: weak, twice, too large, of no type, in the wrong place', async () => {
    const weak = ['store', 'canary/weak', '--type', 'username_password', '--username', 'app'];
    expect(await type(weak, SECRET)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('CREDENTIAL_WEAK'),
    });
    expect(await type(['store', 'canary/cli'], value('twice'))).toMatchObject({ code: 1 });
    expect(await type(['store', value('name')], value('named'))).toMatchObject({ code: 2 });
    expect(await type(['store', 'canary/x', '--profile', 'canary-reader'], value('denied'))).toMatchObject({
      code: 3,
    });
    expect(await type(['retrieve', 'canary/none'])).toMatchObject({ code: 4 });
    const { credentials } = operator;
    const key = { type: 'api_key', value: value('key') };
    await fails('a name that is a secret', () => credentials.retrieve(value('name')));
    await fails('a type that is a secret', () =>
      credentials.store({ ...key, name: 'canary/x', type: SECRET }),
    );
    await fails('parts of no type', () =>
      credentials.store({ name: 'canary/x', type: 'api_key', values: { [`p_${SECRET}`]: value('part') } }),
    );
    await fails('too large', () =>
      credentials.store({ ...key, name: 'canary/x', value: value('large').padEnd(70_000, SECRET) }),
    );
    await fails('another version', () =>
      credentials.store({ ...key, name: 'canary/cli', expectedVersion: 9 }),
    );
    await fails('a field that is a secret', () =>
      operator.call(storeCredential, { name: 'canary/x', type: 'api_key', [SECRET]: SECRET }),
    );
    const wrong = plainRequest(retrieveCredential, 'canary-plain', { name: 'canary/x' });
    const answer = await plain.ask({ ...wrong, body: Buffer.from('{"name":') });
    remember(
      'an error without the channel',
      Buffer.concat([Buffer.from(JSON.stringify([...(answer.headers ?? [])])), answer.data]),
    );
  }, 60_000);

  it('through rotations, whose new values join the search', async () => {
    const password = value('Role');
    await database.admin(`CREATE ROLE canary LOGIN PASSWORD '${password}'`);
    const settings = { host: '127.0.0.1', port: database.port, database: DATABASE };
    await operator.credentials.store({
      ...{ name: 'canary/role', type: 'username_password', username: 'canary', value: password },
      rotation: { adapter: 'postgres-role', intervalSeconds: 0, settings },
    });
    expect(await type(['store', 'canary/made', '--generate', '--json'])).toMatchObject({ code: 0 });
    for (const name of ['canary/role', 'canary/made']) {
      expect(await type(['rotate', name])).toMatchObject({ code: 0 });
      for (const stage of ['previous', 'current'] as const) {
        using credential = await recorded(() => reader.credentials.retrieve(name, { stage }));
        markers[`${name} ${stage}`] = formsOf(credential.text());
      }
    }
    // The role's password was planted with its marker; its whole text would only be found as it stands.
    delete markers['canary/role previous'];
  }, 60_000);

  it('and one without the channel, to a principal that may', async () => {
    await recorded(() =>
      operator.credentials.store({
        name: 'canary/plain',
        type: 'api_key',
        value: canaryValue(PLAIN, 'plain'),
      }),
    );
    const request = plainRequest(retrieveCredential, 'canary-plain', { name: 'canary/plain' });
    expect((await plain.ask(request)).data.length).toBeGreaterThan(40);
  });
});

describe('the control', () => {
  it('is planted in every kind of place', async () => {
    // In memory of the vault's database (row, WAL), in the bus's payloads, in the log and feed beside the record.
    await recorded(() =>
      operator.credentials.store({
        name: 'canary/control',
        type: 'api_key',
        generate: {},
        description: CONTROL,
      }),
    );
    await operator.credentials.describe(`canary/${CONTROL}`).catch(() => undefined);
    await plain.ask(plainRequest(retrieveCredential, 'canary-plain', { name: `canary/${CONTROL}` }));
    // In the policy bundle, which is kept gzipped.
    expect(await type(['principal', 'create', `c-${CONTROL}`, '--role', 'reader'])).toMatchObject({
      code: 0,
    });
    remember('control: standard error', (await mesh.cli([`--${CONTROL}`])).stderr);
    await plantLog(mesh, formsOf(CONTROL));
    await plantSpan(mesh, CONTROL);
    await plantAlert(mesh, CONTROL);
    rememberProcess(await plantProcess(CONTROL));
  }, 40_000);
});

const rememberProcess = ({ name, arguments: args, environment }: ProcessView): void => {
  remember(`${name}: arguments`, args);
  remember(`${name}: environment`, environment);
};

describe('what is left', () => {
  let hits: Hit[];

  it('in the memory of the vault is next to nothing: what it read is zeroed', async () => {
    const { pid = 0 } = (await meshStatus(mesh)).services.vault;
    const { secret, control } = markers;
    const count = () => countInMemory(pid, { secret: secret ?? [], control: control ?? [] });
    const before = await count();
    if (before === undefined) return; // nobody may look, so nobody may take a dump
    expect(before.control).toBeGreaterThan(0); // a description is no secret and is kept
    for (let n = 0; n < READS; n += 1) (await reader.credentials.retrieve('canary/cli')).dispose();
    // A cipher's own buffer, twice marked, may stay until it is used again; one copy a read would be fifty.
    const after = await count();
    expect((after?.secret ?? 0) - (before.secret ?? 0)).toBeLessThanOrEqual(READS / 5);
    // Names and types that were secrets came as JSON text: those strings go when the collector comes by.
    await eventually(async () => expect((await count())?.secret).toBeLessThanOrEqual(READS / 2), {
      timeoutMs: 30_000,
    });
  }, 90_000);

  it('is gathered: records, metrics, tables, processes; then everything is stopped', async () => {
    const log = await eventually(
      async () => {
        const found = await readLog(operator);
        expect(found.filter(({ resource }) => resource?.kind === 'credential').length).toBeGreaterThan(20);
        return found;
      },
      { timeoutMs: 20_000 },
    );
    remember('the audit log', JSON.stringify(log));
    await type(['audit', 'tail', '--from', '0', '--count', String(log.length)]);
    for (const args of [
      ['metrics'],
      ['status', '--json'],
      ['findings', '--json'],
      ['principal', 'list', '--json'],
    ])
      await type(args);
    for (const [table, text] of await database.dump('keymesh')) remember(`table ${table}`, text);
    const processes = await viewMesh(mesh);
    processes.forEach(rememberProcess);
    const services = processes.filter(({ name }) => !['launcher', 'nats', 'postgres'].includes(name));
    expect(services.map(({ name, coreLimit }) => [name, coreLimit])).toEqual(
      services.map(({ name }) => [name, '0']),
    );
    const deploy = await connectDeploy(mesh);
    for (const { config } of await deploy.streams()) expect(config.compression ?? 'none').toBe('none');
    await deploy.close();
    await mesh.stop();
    hits = await searchFolder(mesh.home, markers);
    for (const { place, bytes } of seen) hits.push(...searchBytes(place, bytes, markers));
  }, 120_000);

  it.each([
    ['a log file', /^logs\/vault\.log: control \(plain\)$/],
    ...formsOf(CONTROL).map(
      ({ form }) =>
        [
          `a log file as ${form}`,
          new RegExp(`^logs/vault\\.log: control \\(${form.replace('+', '\\+')}\\)$`),
        ] as const,
    ),
    ['the bus', /^logs\/nats\.log: control \(plain\)$/],
    ['a span', /^traces\/spans\.jsonl: control \(plain\)$/],
    ['a stream', /^nats\/jetstream\/.*\/ALERTS\/msgs\/.*: control \(plain\)$/],
    [
      'a gzipped entry of a stream',
      /^nats\/jetstream\/.*\/KV_POLICY\/msgs\/.*: control \(plain\) in gzip in base64/,
    ],
    ['a data file of Postgres', /^postgres\/data\/base\/.*: control \(plain\)$/],
    ['the WAL of Postgres', /^postgres\/data\/pg_wal\/.*: control \(plain\)$/],
    ['a table', /^table vault\.credential: control \(plain\)$/],
    ['the arguments of a process', /^control: arguments: control \(plain\)$/],
    ['the environment of a process', /^control: environment: control \(plain\)$/],
    ['standard error', /^control: standard error: control \(plain\)$/],
  ])('has the control in %s: the search sees', (_place, pattern) => {
    expect(hits.filter((hit) => pattern.test(hit))).not.toEqual([]);
  });

  it('has the plain answer on the bus, in no stream and nowhere else', () => {
    const found = hits.filter((hit) => hit.includes(': plain ('));
    expect(found.filter((hit) => !hit.startsWith('logs/nats.log: '))).toEqual([]);
    expect(found).toContain('logs/nats.log: plain (plain)');
    expect(STREAMS.every(({ subjects: of }) => of.every((subject) => !/^(_INBOX|_R_)/.test(subject)))).toBe(
      true,
    );
  });

  it('has no value in any form', () => {
    expect(hits.filter((hit) => !/: (control|plain) \(/.test(hit))).toEqual([]);
  });
});
