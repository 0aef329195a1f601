// All projects in one run: `npm test`. One project: `npm test -w apps/vault -- retrieve`.
export default {
  projects: ['<rootDir>/libs/*/jest.config.js', '<rootDir>/apps/*/jest.config.js'],
  testTimeout: 30_000,
};
