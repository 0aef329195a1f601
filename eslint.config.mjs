import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

// Who may import whom (docs/architecture/rooms.md). `boundaries.spec.ts` plants a violation and expects it to fail.
const allow = (sourceTag, ...onlyDependOnLibsWithTags) => ({ sourceTag, onlyDependOnLibsWithTags });
const impure = ['@nestjs/*', '@nats-io/*', 'pg', 'typeorm', 'rxjs'];

export default [
  { ignores: ['**/dist', '**/out-tsc', '**/node_modules', '.nx', '.keymesh', '**/*.json', '**/bin/*.js'] },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx },
    languageOptions: {
      parserOptions: {
        project: ['libs/*/tsconfig.lib.json', 'libs/*/tsconfig.spec.json', 'apps/*/tsconfig.lib.json', 'apps/*/tsconfig.spec.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: true,
          allow: [],
          ignoredCircularDependencies: ['mesh', 'postgres', 'channel', 'policy-engine', 'contracts', 'kernel'].map((lib) => [
            '@keymesh/testing',
            `@keymesh/${lib}`,
          ]),
          depConstraints: [
            allow('type:kernel'),
            allow('type:contract', 'type:kernel', 'type:test'),
            { ...allow('type:pure', 'type:kernel', 'type:contract', 'type:pure', 'type:test'), bannedExternalImports: impure },
            allow('type:platform', 'type:kernel', 'type:contract', 'type:pure', 'type:platform', 'type:test'),
            allow('type:adapter', 'type:kernel', 'type:contract', 'type:pure', 'type:platform', 'type:test'),
            allow('type:sdk', 'type:kernel', 'type:contract', 'type:pure', 'type:platform', 'type:test'),
            allow('type:test', 'type:kernel', 'type:contract', 'type:pure', 'type:platform', 'type:sdk'),
            allow('type:app', 'type:kernel', 'type:contract', 'type:pure', 'type:platform', 'type:adapter', 'type:sdk', 'type:test'),
            allow('type:e2e', 'type:kernel', 'type:contract', 'type:pure', 'type:platform', 'type:sdk', 'type:test'),
            { sourceTag: 'type:app', notDependOnLibsWithTags: ['type:app'] },
          ],
        },
      ],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Read the environment in config.ts only.' },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    // Only the vault opens stored ciphertext.
    files: ['**/*.ts'],
    ignores: ['apps/vault/**', 'libs/crypto/**', '**/*.spec.ts', '**/test/**', 'apps/e2e/**'],
    rules: { 'no-restricted-imports': ['error', { paths: [{ name: '@keymesh/crypto', message: 'Only the vault may import crypto.' }] }] },
  },
  {
    files: ['**/config.ts', '**/*.spec.ts', '**/test/**/*.ts', 'apps/e2e/**/*.ts', 'libs/testing/**/*.ts'],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    files: ['**/*.spec.ts', '**/test/**/*.ts', 'apps/e2e/**/*.ts'],
    rules: {
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
];
