import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';
import { exposeComment } from './tools/eslint/expose-comment.mjs';
import { ensureProjectGraph } from './tools/eslint/project-graph.mjs';

await ensureProjectGraph();

// Who may import whom (docs/architecture/rooms.md). `tools/boundaries.spec.mjs` plants violations and expects them to fail.
const allow = (sourceTag, ...onlyDependOnLibsWithTags) => ({ sourceTag, onlyDependOnLibsWithTags });
const impure = ['@nestjs/*', '@nats-io/*', 'pg', 'typeorm', 'rxjs'];
const withoutNest = { bannedExternalImports: ['@nestjs/*'] };

// Apps have no `exports`, so the Nx rule does not know their package names; and nobody imports an app.
const apps = ['vault', 'policy', 'audit', 'rotation', 'anomaly-detector', 'cli', 'e2e'];
const noApps = {
  regex: `^@keymesh/(${apps.join('|')})(/|$)`,
  message: 'Nobody imports an app. Go over the bus, by a contract.',
};
const noCrypto = { regex: '^@keymesh/crypto(/|$)', message: 'Only the vault may import crypto.' };

export default [
  { ignores: ['**/dist', '**/out-tsc', '**/node_modules', '.nx', '.keymesh', '**/*.json', '**/bin/*.js'] },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx, keymesh: { rules: { 'expose-comment': exposeComment } } },
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: true,
          allow: [],
          ignoredCircularDependencies: [
            'mesh',
            'postgres',
            'channel',
            'policy-engine',
            'contracts',
            'kernel',
          ].map((lib) => ['@keymesh/testing', `@keymesh/${lib}`]),
          depConstraints: [
            { ...allow('type:kernel'), bannedExternalImports: impure },
            { ...allow('type:contract', 'type:kernel', 'type:test'), bannedExternalImports: impure },
            {
              ...allow('type:pure', 'type:kernel', 'type:contract', 'type:pure', 'type:test'),
              bannedExternalImports: impure,
            },
            {
              ...allow(
                'type:platform',
                'type:kernel',
                'type:contract',
                'type:pure',
                'type:platform',
                'type:test',
              ),
              ...withoutNest,
            },
            allow('type:adapter', 'type:kernel', 'type:contract', 'type:pure', 'type:platform', 'type:test'),
            {
              ...allow('type:sdk', 'type:kernel', 'type:contract', 'type:pure', 'type:platform', 'type:test'),
              ...withoutNest,
            },
            allow('type:test', 'type:kernel', 'type:contract', 'type:pure', 'type:platform', 'type:sdk'),
            allow(
              'type:app',
              'type:kernel',
              'type:contract',
              'type:pure',
              'type:platform',
              'type:adapter',
              'type:sdk',
              'type:test',
            ),
            allow(
              'type:e2e',
              'type:kernel',
              'type:contract',
              'type:pure',
              'type:platform',
              'type:sdk',
              'type:test',
            ),
            { sourceTag: 'type:app', notDependOnLibsWithTags: ['type:app'] },
          ],
        },
      ],
      'keymesh/expose-comment': 'error',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Read the environment in config.ts only.' },
      ],
      // Nest declares the shape of plain options as classes.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  { files: ['**/*.ts'], rules: { 'no-restricted-imports': ['error', { patterns: [noApps] }] } },
  {
    // Only the vault opens stored ciphertext.
    files: ['**/*.ts'],
    ignores: ['apps/vault/**', 'libs/crypto/**', '**/*.spec.ts', '**/test/**', 'apps/e2e/**'],
    rules: { 'no-restricted-imports': ['error', { patterns: [noApps, noCrypto] }] },
  },
  {
    files: ['**/config.ts', '**/*.spec.ts', '**/test/**/*.ts', 'apps/e2e/**/*.ts', 'libs/testing/**/*.ts'],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    files: ['**/*.spec.ts', '**/test/**/*.ts', 'apps/e2e/**/*.ts'],
    rules: {
      // Values in specs are planted ones.
      'keymesh/expose-comment': 'off',
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
];
