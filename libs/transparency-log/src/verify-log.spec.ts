import { describe, expect, it } from '@jest/globals';
import { makeSigningKey, utf8 } from '@keymesh/kernel';
import { numberedLeaves } from '../test/memory-log.js';
import {
  checkpointText,
  noteVerifierOf,
  rootOfLeaves,
  signNote,
  verifyLog,
  type LogToVerify,
} from './index.js';

const ORIGIN = 'keymesh.example/log';
const { key } = makeSigningKey();
const verifier = noteVerifierOf(ORIGIN, key.publicKeyText);
const leaves = numberedLeaves(0, 300);
const checkpointOf = (of: readonly Uint8Array[], origin = ORIGIN): string =>
  signNote(checkpointText({ origin, size: of.length, root: rootOfLeaves(of) }), ORIGIN, key);
const checkpoint = checkpointOf(leaves);
const failed = async (log: Partial<LogToVerify>): Promise<{ standing: string; failed: string[] }> => {
  const result = await verifyLog({ leaves, checkpoint, verifier, ...log });
  return {
    standing: result.standing,
    failed: result.checks.filter(({ ok }) => !ok).map(({ check }) => check),
  };
};

describe('verifyLog', () => {
  it('without a checkpoint kept elsewhere says self-consistent only', async () => {
    const result = await verifyLog({ leaves, checkpoint, verifier });
    expect(result).toMatchObject({
      ok: true,
      standing: 'self-consistent only',
      coveredLeaves: 300,
      uncoveredLeaves: 0,
    });
  });

  it.each([0, 1, 255, 256, 300])('is anchored by a checkpoint of %i leaves kept elsewhere', async (size) => {
    const previousCheckpoint = checkpointOf(leaves.slice(0, size));
    expect(await verifyLog({ leaves, checkpoint, verifier, previousCheckpoint })).toMatchObject({
      ok: true,
      standing: 'anchored',
    });
  });

  it('counts leaves that the checkpoint does not cover', async () => {
    const more = [...leaves, ...numberedLeaves(300, 305)];
    expect(await verifyLog({ leaves: more, checkpoint, verifier })).toMatchObject({
      ok: true,
      uncoveredLeaves: 5,
    });
  });

  it('notices a leaf that was changed, dropped, added or moved', async () => {
    const broken = { standing: 'broken', failed: ['root-of-checkpoint'] };
    expect(await failed({ leaves: leaves.map((leaf, at) => (at === 70 ? utf8('other') : leaf)) })).toEqual(
      broken,
    );
    expect(await failed({ leaves: [leaves[1]!, leaves[0]!, ...leaves.slice(2)] })).toEqual(broken);
    expect(await failed({ leaves: [...leaves.slice(0, 5), utf8('new'), ...leaves.slice(5)] })).toEqual(
      broken,
    );
    expect(await failed({ leaves: leaves.slice(0, -1) })).toEqual({
      standing: 'broken',
      failed: ['leaves-reach-checkpoint'],
    });
  });

  it('notices a history rewritten and signed again, by the checkpoint kept elsewhere', async () => {
    const rewritten = leaves.map((leaf, at) => (at === 3 ? utf8('it never happened') : leaf));
    const attempt = { leaves: rewritten, checkpoint: checkpointOf(rewritten) };
    expect(await failed(attempt)).toEqual({ standing: 'self-consistent only', failed: [] });
    expect(await failed({ ...attempt, previousCheckpoint: checkpointOf(leaves.slice(0, 10)) })).toEqual({
      standing: 'broken',
      failed: ['root-of-previous-checkpoint'],
    });
  });

  it('notices a log that shrank', async () => {
    const result = await failed({ previousCheckpoint: checkpointOf([...leaves, utf8('gone')]) });
    expect(result).toEqual({ standing: 'broken', failed: ['previous-checkpoint-not-larger'] });
  });

  it('believes no checkpoint by another key, of another log, or of another form', async () => {
    const stranger = makeSigningKey().key;
    const text = checkpointText({ origin: ORIGIN, size: 300, root: rootOfLeaves(leaves) });
    expect((await failed({ checkpoint: signNote(text, ORIGIN, stranger) })).failed).toEqual([
      'checkpoint-signature',
    ]);
    expect((await failed({ checkpoint: checkpointOf(leaves, 'other.example') })).failed).toEqual([
      'checkpoint-origin',
    ]);
    expect((await failed({ checkpoint: signNote('hello\n', ORIGIN, key) })).failed).toEqual([
      'checkpoint-form',
    ]);
    expect((await failed({ checkpoint: '' })).failed).toEqual(['checkpoint-signature']);
  });
});
