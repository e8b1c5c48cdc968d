import * as jest from '@jest/test-sequencer';

/** Its types are those of CommonJS, and what is imported is not. @type {typeof import('@jest/test-sequencer').default} */
const UsualSequencer = /** @type {any} */ (jest).default;

/**
 * Jest begins with what took longest, or, where nothing is known yet, with the largest files. The conformance suites are
 * long, wait more than they compute and judge times: beside each other they would make each other late. So they come one
 * by one, among all the others.
 */
export default function Spread(/** @type {ConstructorParameters<typeof UsualSequencer>[0]} */ options) {
  const usual = new UsualSequencer(options);
  return {
    /** @param {Parameters<typeof usual.sort>[0]} tests */
    async sort(tests) {
      const sorted = await usual.sort(tests);
      const waiting = sorted.filter(({ path }) => path.includes('/test/conformance/'));
      const others = sorted.filter((test) => !waiting.includes(test));
      const share = Math.ceil(others.length / waiting.length);
      return waiting.length === 0
        ? others
        : waiting.flatMap((test, n) => [test, ...others.slice(n * share, (n + 1) * share)]);
    },
    shard: usual.shard.bind(usual),
    allFailedTests: usual.allFailedTests.bind(usual),
    cacheResults: usual.cacheResults.bind(usual),
  };
}
