import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import * as contracts from './index.js';
import {
  parseRpcSubject,
  PRINCIPAL_NAME,
  rpcSubject,
  SERVICES,
  STREAMS,
  subjects,
  type RpcContract,
} from './index.js';

const isContract = (value: unknown): value is RpcContract =>
  typeof value === 'object' && value !== null && 'request' in value && 'reply' in value && 'verb' in value;
const everything: unknown[] = [...Object.values(contracts), ...Object.values(contracts.describeChannel)];
const operations = everything.filter(isContract);
const matches = (pattern: string, subject: string): boolean =>
  new RegExp(
    `^${pattern.replaceAll('$', '\\$').replaceAll('.', '\\.').replaceAll('*', '[^.]+').replace(/>$/, '.+')}$`,
  ).test(subject);

describe('the subject of an operation', () => {
  test('is made of tokens without wildcards, and no two operations share one', () => {
    expect(operations.length).toBeGreaterThan(25);
    const all = operations.map((contract) => rpcSubject(contract, 'billing'));
    for (const subject of all)
      expect(subject).toMatch(/^keymesh\.v1\.rpc\.billing\.[a-z-]+\.[a-z-]+\.[a-z-]+$/);
    expect(new Set(all).size).toBe(all.length);
  });

  test('is answered by its service alone, and asked under the asker’s own token alone', () => {
    for (const contract of operations) {
      const subject = rpcSubject(contract, 'billing');
      expect(SERVICES.filter((service) => matches(subjects.rpcOf(service), subject))).toEqual([
        contract.service,
      ]);
      expect(matches(subjects.rpcBy('billing'), subject)).toBe(true);
      expect(matches(subjects.rpcBy('bill'), subject)).toBe(false);
    }
  });

  test('parses back, for any principal', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(PRINCIPAL_NAME),
        fc.constantFrom(...operations),
        (principal, contract) => {
          const { service, noun, verb } = contract;
          expect(parseRpcSubject(rpcSubject(contract, principal))).toEqual({
            principal,
            service,
            noun,
            verb,
          });
        },
      ),
    );
  });

  test.each([
    '', 'keymesh', 'keymesh.v1.rpc', 'keymesh.v1.rpc.a.vault.credential', 'keymesh.v1.rpc.a.vault.credential.retrieve.more',
    'keymesh.v2.rpc.a.vault.credential.retrieve', 'keymesh.v1.push.a.vault.credential.retrieve', 'keymesh.v1.rpc..vault.credential.retrieve',
    'keymesh.v1.rpc.a.vault.credential.', '.keymesh.v1.rpc.a.vault.credential.retrieve',
  ])('is not %j', (subject) => expect(parseRpcSubject(subject)).toBeUndefined()); // prettier-ignore
});

describe('a principal’s name', () => {
  test.each(['a', 'billing', '_vault', 'a-1', '0', `a${'b'.repeat(62)}`])('may be %j', (name) => {
    expect(PRINCIPAL_NAME.test(name)).toBe(true);
  });
  test.each(['', '-a', 'A', 'a.b', 'a*', '>', '*', 'a b', 'ä', '__a', '_', 'a\n', `a${'b'.repeat(63)}`])(
    'may not be %j',
    (name) => {
      expect(PRINCIPAL_NAME.test(name)).toBe(false);
    },
  );
});

test('no message goes to two streams', () => {
  const service = SERVICES[0];
  const samples = [
    subjects.journal(service),
    subjects.audit(service, 'credential', 'retrieved'),
    subjects.event(service, 'version', 'promoted'),
    subjects.alert('high', 'denied-burst'),
    '$KV.POLICY.bundle',
  ];
  for (const sample of samples)
    expect([
      sample,
      STREAMS.filter((stream) => stream.subjects.some((pattern) => matches(pattern, sample))).length,
    ]).toEqual([sample, 1]);
  for (const other of [
    subjects.push('billing', 'credential', 'rotated'),
    subjects.invalidate(service),
    rpcSubject(operations[0]!, 'billing'),
  ])
    expect(STREAMS.some((stream) => stream.subjects.some((pattern) => matches(pattern, other)))).toBe(false);
});
