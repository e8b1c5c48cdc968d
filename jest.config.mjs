/** Tests run straight from source, across packages: the condition `nest-messaging-source` of each package's `exports` points to its `src`. */
export default {
  testMatch: ['<rootDir>/{packages/*,sample-app}/test/**/*.spec.ts', '<rootDir>/test/**/*.spec.ts'],
  modulePathIgnorePatterns: ['/dist/', '/\\.tmp/'],
  testEnvironment: 'node',
  testEnvironmentOptions: {
    customExportConditions: ['nest-messaging-source', 'node', 'node-addons'],
  },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
      },
    ],
  },
};
