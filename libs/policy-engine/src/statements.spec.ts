import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromBase64Url, makeSigningKey, signFor, toBase64Url, utf8 } from '@keymesh/kernel';
import type { Statement } from '@keymesh/contracts';
import { at, codeOf, invite, makeTestMesh, MESH_ID, nkeyNamed } from '../test/fixtures.js';
import { readStatement, signStatement } from './statements.js';

const mesh = makeTestMesh();

describe('statements', () => {
  it('read back as they were signed, and equal content gives equal text', () => {
    const statement: Statement = {
      v: 1,
      meshId: MESH_ID,
      statementId: '0199a3c4-0000-4000-8000-000000000001',
      issuedAt: at(0),
      issuer: 'operator',
      type: 'principal.status-set',
      principal: 'billing',
      status: 'disabled',
    };
    const text = signStatement(statement, mesh.operatorKey);
    expect(readStatement(text)).toEqual({ statement, signer: mesh.operatorKey.publicKeyText });
    const turned = Object.fromEntries(Object.entries(statement).reverse()) as unknown as Statement;
    expect(signStatement(turned, mesh.operatorKey)).toBe(text);
  });

  it('refuses a statement with any one character changed', () => {
    const { statement } = invite(mesh, 'billing');
    fc.assert(
      fc.property(
        fc.nat(statement.length - 1),
        fc.constantFrom('A', 'B', 'x', '0', '9', '-', '_', '.'),
        (index, character) => {
          fc.pre(statement[index] !== character);
          const changed = statement.slice(0, index) + character + statement.slice(index + 1);
          expect(codeOf(() => readStatement(changed))).toBe('STATEMENT_REJECTED');
        },
      ),
    );
  });

  it('never throws anything else, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (a, b, c) => {
        expect(codeOf(() => readStatement(`${a}.${b}.${c}`))).toBe('STATEMENT_REJECTED');
      }),
    );
  });

  it('refuses JSON that is not canonical though its signature holds: one statement has one text', () => {
    const [, payload = ''] = invite(mesh, 'billing').statement.split('.');
    const json = new TextDecoder().decode(fromBase64Url(payload));
    const spaced = utf8(json.replace('{', '{ '));
    const signature = signFor('keymesh/v1/statement', spaced, mesh.operatorKey);
    const text = [mesh.operatorKey.publicKeyText, toBase64Url(spaced), toBase64Url(signature)].join('.');
    expect(codeOf(() => readStatement(text))).toBe('STATEMENT_REJECTED');
  });

  it('refuses a signature made for another purpose', () => {
    const invitation = invite(mesh, 'billing');
    const [signer = '', payload = ''] = invitation.complete().split('.');
    const asOperators = signFor('keymesh/v1/statement', fromBase64Url(payload)!, invitation.tokenKey);
    expect(codeOf(() => readStatement([signer, payload, toBase64Url(asOperators)].join('.')))).toBe(
      'STATEMENT_REJECTED',
    );
  });

  it('refuses to sign what is no statement', () => {
    const wrong = { v: 1, type: 'principal.granted', nkey: nkeyNamed('x') } as unknown as Statement;
    expect(codeOf(() => signStatement(wrong, makeSigningKey().key))).toBe('STATEMENT_REJECTED');
  });
});
