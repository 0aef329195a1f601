import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { readRecoveryPublicKey } from '@keymesh/recovery';
import { main } from '../main.js';

describe('keymesh recovery', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keymesh-recovery-'));
  let written: { out: string; err: string };
  let made = 0;

  beforeEach(() => {
    written = { out: '', err: '' };
    const into = (stream: 'out' | 'err') => (text: unknown) => ((written[stream] += String(text)), true);
    jest.spyOn(process.stdout, 'write').mockImplementation(into('out'));
    jest.spyOn(process.stderr, 'write').mockImplementation(into('err'));
  });
  afterEach(() => void jest.restoreAllMocks());
  afterAll(() => rmSync(folder, { recursive: true }));

  const run = (...args: string[]) => main(['recovery', ...args, '--home', folder]);
  const init = async (shares = 5, threshold = 3) => {
    const out = join(folder, `key-${String((made += 1))}`);
    expect(
      await run('init', '--shares', String(shares), '--threshold', String(threshold), '--out', out),
    ).toBe(0);
    return { out, share: (index: number) => join(out, `share-${String(index)}-of-${String(shares)}.txt`) };
  };

  it('makes a file for each holder that nobody else may read, one for the vault, and prints nothing secret', async () => {
    const { out, share } = await init();
    expect(readdirSync(out).sort()).toEqual([
      'recovery.pub',
      ...[1, 2, 3, 4, 5].map((index) => `share-${String(index)}-of-5.txt`),
    ]);
    expect(statSync(out).mode & 0o777).toBe(0o700);
    const { keyId, shares, threshold } = readRecoveryPublicKey(
      readFileSync(join(out, 'recovery.pub'), 'utf8'),
    );
    expect({ shares, threshold }).toEqual({ shares: 5, threshold: 3 });
    expect(written.out).toContain(keyId); // the control: what is written is seen
    for (const index of [1, 2, 3, 4, 5]) {
      expect(statSync(share(index)).mode & 0o777).toBe(0o600);
      const text = readFileSync(share(index), 'utf8');
      expect(text).toMatch(/^keymesh-share(-[a-z0-9]{8}){18}$/);
      for (const group of text.split('-').slice(8)) expect(written.out + written.err).not.toContain(group);
    }
  });

  it('says of any three that they open the key, and of their files what they are', async () => {
    const { out, share } = await init();
    const publicKey = ['--public-key', join(out, 'recovery.pub')];
    expect(await run('verify', share(5), share(2), share(4), ...publicKey)).toBe(0);
    expect(written.out).toMatch(
      /share 5 of 5 .*: undamaged\n.*\n.*\nTogether they open it; 3 are needed\.\n$/,
    );
    written.out = '';
    expect(await run('verify', share(1), share(2), share(3), '--json')).toBe(0);
    expect(JSON.parse(written.out)).toMatchObject({ shares: [1, 2, 3], opens: true });
  });

  it('refuses two of them, a doubled, a damaged and a foreign one, with exit code 2 and what to do', async () => {
    const { out, share } = await init();
    const other = await init();
    const damaged = join(out, 'damaged');
    writeFileSync(
      damaged,
      readFileSync(share(3), 'utf8').replace(/.$/, (last) => (last === 'q' ? 'p' : 'q')),
    );
    const refused: [RegExp, string[]][] = [
      [/^RECOVERY_SHARES_INVALID: 2 of 3 needed shares are here/m, [share(1), share(2)]],
      [/Share 2 is given twice/, [share(1), share(2), share(2)]],
      [/its checksum does not hold/, [share(1), share(2), damaged]],
      [/Share 3 is of another recovery key/, [share(1), share(2), other.share(3)]],
      [
        /is of another recovery key/,
        [share(1), share(2), share(3), '--public-key', join(other.out, 'recovery.pub')],
      ],
      [/cannot be read/, [share(1), join(out, 'none')]],
    ];
    for (const [sentence, args] of refused) {
      written.err = '';
      expect(await run('verify', ...args)).toBe(2);
      expect(written.err).toMatch(sentence);
    }
  });

  it('never overwrites a share, and takes only numbers that make sense', async () => {
    const { out, share } = await init();
    const before = readFileSync(share(1), 'utf8');
    expect(await run('init', '--shares', '5', '--threshold', '3', '--out', out)).toBe(2);
    expect(readFileSync(share(1), 'utf8')).toBe(before);
    for (const [shares, threshold] of [
      ['5', '6'],
      ['1', '1'],
      ['5', '1'],
      ['x', '2'],
      ['33', '2'],
    ] as const) {
      const never = join(folder, 'never');
      expect(await run('init', '--shares', shares, '--threshold', threshold, '--out', never)).toBe(2);
      expect(readdirSync(folder)).not.toContain('never');
    }
  });
});
