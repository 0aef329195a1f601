import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Secret } from '@keymesh/kernel';
import { CREDENTIAL_TYPES } from '@keymesh/contracts';
import type { CredentialTypePlugin } from '../../src/domain/types/plugin.js';
import { conformsAsCredentialType } from './conformance.js';

// Follows docs/guides/add-a-credential-type.md: its code, put where the imports find what they name, type-checked and run.
const root = join(import.meta.dirname, '../../../..');
const guide = readFileSync(join(root, 'docs/guides/add-a-credential-type.md'), 'utf8');
const blockOf = (name: string): string => {
  const block = new RegExp(`\`\`\`ts ${name}\n([^]*?)\`\`\``).exec(guide)?.[1];
  if (block === undefined) throw new Error(`the guide has no block ${name}`);
  return block;
};

// Beside the types, so that packages resolve; as a folder of its own, so that nothing is registered.
const folder = mkdtempSync(join(import.meta.dirname, 'guide-'));
const file = join(folder, 'smtp-account.ts');
writeFileSync(file, blockOf('plugin').replaceAll("from './", "from '../../../src/domain/types/"));
const { smtpAccount } = (await import(file)) as { readonly smtpAccount: CredentialTypePlugin };

describe('the guide to adding a credential type', () => {
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('has code that type-checks as the vault is type-checked', async () => {
    const config = join(folder, 'tsconfig.json');
    writeFileSync(
      config,
      JSON.stringify({
        extends: '../../../tsconfig.spec.json',
        compilerOptions: { noEmit: true, composite: false, incremental: false, rootDir: '../../../../..' },
        include: ['./smtp-account.ts'],
        references: [],
      }),
    );
    const compiler = join(root, 'node_modules/typescript7/bin/tsc');
    await promisify(execFile)(process.execPath, [compiler, '-p', config]).catch((error: unknown) => {
      throw new Error(String((error as { stdout?: unknown }).stdout));
    });
  }, 120_000);

  it('adds a name that is free, to the contract and to the registration', () => {
    expect(CREDENTIAL_TYPES).not.toContain(smtpAccount.type);
    expect(blockOf('contracts').trim()).toBe(`${smtpAccount.type}: '${smtpAccount.primaryPart}',`);
    expect(blockOf('registration')).toContain(`  ${smtpAccount.type}: smtpAccount,`);
  });

  it('explains every field that a type may have', () => {
    const interfaceOf = readFileSync(join(root, 'apps/vault/src/domain/types/plugin.ts'), 'utf8');
    const body = interfaceOf.slice(interfaceOf.indexOf('interface CredentialTypePlugin'));
    const fields = [...body.matchAll(/^ {2}readonly (\w+)/gm)].map(([, name]) => String(name));
    expect(fields.length).toBeGreaterThan(8);
    for (const field of fields) expect(guide).toContain(field);
  });

  it('has a rule of its own that finds what it says', () => {
    const inspect = (port: string) =>
      smtpAccount.inspect?.({ port: Secret.fromText(port, 'port') }, Date.now()).broken;
    expect(inspect('25')).toEqual(['plain-port']);
    expect(inspect('465')).toEqual([]);
  });
});

conformsAsCredentialType(smtpAccount);
