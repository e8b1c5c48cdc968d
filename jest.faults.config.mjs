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
  maxWorkers: suite.maxWorkers,
  testTimeout: suite.testTimeout,
};
