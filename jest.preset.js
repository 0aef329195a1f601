// One jest configuration for every project: ESM, transformed by swc, workspace sources instead of builds.
export default {
  testEnvironment: 'node',
  // jest adds `import` or `require` itself; `import` here would hand ESM files to CommonJS packages (pg).
  testEnvironmentOptions: { customExportConditions: ['@keymesh/source', 'node'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2023',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  testMatch: ['<rootDir>/src/**/*.spec.ts', '<rootDir>/test/**/*.spec.ts'],
  testTimeout: 30_000,
};
