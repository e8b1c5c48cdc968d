import * as jest from '@jest/test-sequencer';

/** Its types are those of CommonJS, and what is imported is not. @type {typeof import('@jest/test-sequencer').default} */
const UsualSequencer = /** @type {any} */ (jest).default;

/** @typedef {Parameters<InstanceType<typeof UsualSequencer>['sort']>[0]} Tests */

/**
 * Jest begins with what took longest, or, where nothing is known yet, with the largest files. What is made here puts
 * that in another order.
 * @param {(usually: Tests) => Tests} arrange
 */
export const sequencer = (arrange) =>
  function (/** @type {ConstructorParameters<typeof UsualSequencer>[0]} */ options) {
    const usual = new UsualSequencer(options);
    return {
      /** @param {Tests} tests */
      sort: async (tests) => arrange(await usual.sort(tests)),
      shard: usual.shard.bind(usual),
      allFailedTests: usual.allFailedTests.bind(usual),
      cacheResults: usual.cacheResults.bind(usual),
    };
  };
