import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@keymesh/testing';
import type { SubjectViolation } from '../operations/note-violation.js';
import { readViolation, watchServerLog } from './watch-server-log.js';

const NKEY = `U${'A'.repeat(55)}`;
const line = (subject: string, user = `MESH/nkey:${NKEY}`): string =>
  `[7] 2026/11/26 02:59:36.569059 [ERR] 127.0.0.1:40706 - cid:100 - "v3.4.0:nats.js:x" - "${user}" - Publish Violation - Subject "${subject}"`;

describe('a line of the server', () => {
  it.each([
    [line('a.b'), { clientId: 100, user: NKEY, kind: 'publish', subject: 'a.b' }],
    [
      line('a.b', 'CLIENTS/user:billing'),
      { clientId: 100, user: 'billing', kind: 'publish', subject: 'a.b' },
    ],
    [
      line('x').replace('Publish Violation - Subject', 'Publish Violation - Reply'),
      { clientId: 100, user: NKEY, kind: 'publish', subject: 'x' },
    ],
    [
      `[7] 2026/11/26 02:59:36 [ERR] 127.0.0.1:1 - cid:9 - "${NKEY}" - Subscription Violation - Subject ">", SID 4`,
      { clientId: 9, user: NKEY, kind: 'subscribe', subject: '>' },
    ],
    [
      line('a.b').replace(
        'nats.js:x',
        String.raw`nats.js:x\" - \"CLIENTS/user:other\" - Publish Violation - Subject \"y`,
      ),
      { clientId: 100, user: NKEY, kind: 'publish', subject: 'a.b' },
    ],
  ])('that tells of a violation is read', (text, violation) => {
    expect(readViolation(text)).toEqual(violation);
  });

  it.each(['', '[7] [INF] Server is ready', '[7] [ERR] Publish Violation', 'x'.repeat(100_000)])(
    'that tells of something else is not',
    (text) => {
      expect(readViolation(text)).toBeUndefined();
    },
  );
});

describe('the log', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keymesh-log-'));
    file = join(folder, 'nats.log');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is followed from its end, through lines in two pieces and a new beginning', async () => {
    await writeFile(file, `${line('before')}\n`);
    const heard: SubjectViolation[] = [];
    const onViolation = (violation: SubjectViolation): Promise<void> => {
      heard.push(violation);
      return Promise.resolve();
    };
    const watch = await watchServerLog({ file, onViolation, onFailure: () => undefined, pollMs: 5 });
    const subjects = (): string[] => heard.map(({ subject }) => subject);
    await appendFile(file, line('in-two-').slice(0, 80));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await appendFile(file, `${line('in-two-').slice(80)}\n[7] [INF] something else\n`);
    await eventually(() => expect(subjects()).toEqual(['in-two-']));
    await truncate(file, 0);
    await new Promise((resolve) => setTimeout(resolve, 60));
    await appendFile(file, `${line('anew')}\n`);
    await eventually(() => expect(subjects()).toEqual(['in-two-', 'anew']));
    watch.stop();
  });
});
