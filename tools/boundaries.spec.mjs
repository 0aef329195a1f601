// The import fences of eslint.config.mjs hold: each violation planted here must be refused, and each harmless neighbour pass.
// Run with `node --test tools/boundaries.spec.mjs`. Nothing is written: ESLint is given the text and the place it would have.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

const root = join(import.meta.dirname, '..');
// The rules under test need no types, and the planted files are in no TypeScript project.
const eslint = new ESLint({
  cwd: root,
  overrideConfig: [{ files: ['**/*.ts'], ...tseslint.configs.disableTypeChecked }],
});

const RULES = {
  rooms: '@nx/enforce-module-boundaries',
  imports: 'no-restricted-imports',
  environment: 'no-restricted-properties',
  expose: 'keymesh/expose-comment',
};

async function refusedBy(path, text) {
  const [result] = await eslint.lintText(text, { filePath: join(root, path) });
  const fatal = result.messages.filter((message) => message.fatal);
  assert.deepEqual(fatal, [], 'the planted file itself must parse');
  return result.messages
    .map(({ ruleId }) => ruleId)
    .filter((ruleId) => Object.values(RULES).includes(ruleId));
}

const importOf = (name) => `import * as planted from '${name}';\nexport const used = planted;\n`;

const refused = [
  ['a pure lib that imports Nest', 'libs/channel/src/planted.ts', importOf('@nestjs/common'), RULES.rooms],
  [
    'a pure lib that imports NATS',
    'libs/transparency-log/src/planted.ts',
    importOf('@nats-io/transport-node'),
    RULES.rooms,
  ],
  ['a pure lib that imports Postgres', 'libs/policy-engine/src/planted.ts', importOf('pg'), RULES.rooms],
  [
    'a pure lib that imports a platform lib',
    'libs/policy-engine/src/planted.ts',
    importOf('@keymesh/mesh'),
    RULES.rooms,
  ],
  ['a platform lib that imports Nest', 'libs/mesh/src/planted.ts', importOf('@nestjs/common'), RULES.rooms],
  ['the SDK that imports Nest', 'libs/client/src/planted.ts', importOf('@nestjs/common'), RULES.rooms],
  [
    'the SDK that imports the service kit',
    'libs/client/src/planted.ts',
    importOf('@keymesh/service-kit'),
    RULES.rooms,
  ],
  [
    'the kernel that imports contracts',
    'libs/kernel/src/planted.ts',
    importOf('@keymesh/contracts'),
    RULES.rooms,
  ],
  [
    'an app that imports another app by package',
    'apps/audit/src/planted.ts',
    importOf('@keymesh/vault'),
    RULES.imports,
  ],
  [
    'an app that imports another app by path',
    'apps/audit/src/planted.ts',
    importOf('../../vault/src/config.js'),
    RULES.rooms,
  ],
  ['a lib that imports an app', 'libs/mesh/src/planted.ts', importOf('@keymesh/vault'), RULES.imports],
  [
    'a service other than the vault that imports crypto',
    'apps/rotation/src/planted.ts',
    importOf('@keymesh/crypto'),
    RULES.imports,
  ],
  ['a lib that imports crypto', 'libs/mesh/src/planted.ts', importOf('@keymesh/crypto'), RULES.imports],
  [
    'an operation that reads the environment',
    'apps/vault/src/operations/planted.ts',
    'export const a = process.env;\n',
    RULES.environment,
  ],
  [
    'a secret exposed without a reason',
    'apps/vault/src/planted.ts',
    'export const f = (s) => s.expose();\n',
    RULES.expose,
  ],
  [
    'a reason that stands elsewhere',
    'apps/vault/src/planted.ts',
    '// EXPOSE: no.\n\nexport const f = (s) => s.expose();\n',
    RULES.expose,
  ],
];

const allowed = [
  ['the vault that imports crypto', 'apps/vault/src/planted.ts', importOf('@keymesh/crypto')],
  ['an app that imports the service kit', 'apps/audit/src/planted.ts', importOf('@keymesh/service-kit')],
  ['the service kit that imports Nest', 'libs/service-kit/src/planted.ts', importOf('@nestjs/common')],
  ['config.ts that reads the environment', 'apps/vault/src/config.ts', 'export const a = process.env;\n'],
  [
    'a reason above',
    'apps/vault/src/planted.ts',
    '// EXPOSE: it is planted.\nexport const f = (s) => s.expose();\n',
  ],
  [
    'a reason inside',
    'apps/vault/src/planted.ts',
    'export const f = (s) =>\n  // EXPOSE: it is planted.\n  s.expose();\n',
  ],
];

for (const [what, path, text, rule] of refused) {
  test(`lint refuses ${what}`, async () => assert.ok((await refusedBy(path, text)).includes(rule)));
}
for (const [what, path, text] of allowed) {
  test(`lint allows ${what}`, async () => assert.deepEqual(await refusedBy(path, text), []));
}
