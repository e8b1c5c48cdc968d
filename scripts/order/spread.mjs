import { sequencer } from './sequencer.mjs';

/**
 * The conformance suites are long, wait more than they compute and judge times: beside each other they would make each
 * other late. So they come one by one, among all the others.
 */
export default sequencer((tests) => {
  const waiting = tests.filter(({ path }) => path.includes('/test/conformance/'));
  const others = tests.filter((test) => !waiting.includes(test));
  if (waiting.length === 0) return others;
  const share = Math.ceil(others.length / waiting.length);
  return waiting.flatMap((test, n) => [test, ...others.slice(n * share, (n + 1) * share)]);
});
