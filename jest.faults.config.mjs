import suite from './jest.config.mjs';

const [fromSource] = suite.projects;

/** `npm run test:faults`: brokers killed, networks cut, processes killed. Each file has a broker of its own. */
export default {
  projects: [
    {
      ...fromSource,
      displayName: 'faults',
      testMatch: ['<rootDir>/test/faults/**/*.spec.ts'],
      testPathIgnorePatterns: ['/node_modules/'],
    },
  ],
  // One for each kind of broker, so that the longest, Kafka's, begins at once.
  maxWorkers: 4,
  // Without one, Jest runs all in one process where the only files it has seen before were quick.
  workerIdleMemoryLimit: suite.workerIdleMemoryLimit,
  testSequencer: '<rootDir>/scripts/order/rows-first.mjs',
  testTimeout: suite.testTimeout,
};
