/**
 * Long, and about brokers and tools rather than about Node: `npm run test:all` asks for it once, on the newest Node.
 */
export const NOT_ABOUT_NODE = [
  'packages/aws/test/costs.spec.ts',
  'packages/kafka/test/driver/java.spec.ts',
  'test/applications/kafka-rights.spec.ts',
  'test/applications/rabbitmq-rights.spec.ts',
  'test/conformance/broken-transports.spec.ts',
  'test/conformance/lesser.spec.ts',
  'test/ground/',
];

/** Tests run straight from source, across packages: the condition `nest-messaging-source` of each package's `exports` points to its `src`. */
const fromSource = {
  displayName: 'Nest 12',
  testMatch: ['<rootDir>/{packages/*,sample-app,bench}/test/**/*.spec.ts', '<rootDir>/test/**/*.spec.ts'],
  testPathIgnorePatterns: [
    '/node_modules/',
    '<rootDir>/test/compat/(application|fixtures)/',
    // For `npm run test:faults`.
    '<rootDir>/test/faults/',
    ...(process.env.ABOUT_NODE_ALONE ? NOT_ABOUT_NODE.map((path) => `<rootDir>/${path}`) : []),
  ],
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

/** The tests of the Nest layer once more, on the older NestJS: `scripts/runtimes/nest-11` holds it. */
const onNest11 = {
  ...fromSource,
  displayName: 'Nest 11',
  testMatch: ['<rootDir>/packages/core/test/nest/*.spec.ts'],
  moduleNameMapper: {
    ...fromSource.moduleNameMapper,
    '^(@nestjs/.*|rxjs|reflect-metadata|class-validator|class-transformer)$':
      '<rootDir>/scripts/runtimes/nest-11/node_modules/$1',
  },
};

export default {
  projects: [fromSource, onNest11],
  // Tests wait for brokers more than they compute: on two cores, three at a time take a third of the time of Jest's one.
  maxWorkers: 3,
  // What a test file has loaded stays in the memory of its worker: 1.2 to 1.6 GB after eighty files, which each garbage
  // collection then looks through.
  workerIdleMemoryLimit: '800MB',
  testSequencer: '<rootDir>/scripts/order/spread.mjs',
  // What a test waits for has a limit of its own, whose message says more; hooks that start and tidy brokers have none.
  testTimeout: 60_000,
};
