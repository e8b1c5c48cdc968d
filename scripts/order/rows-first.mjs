import { sequencer } from './sequencer.mjs';

/**
 * What lets every row of the table of faults happen to a broker takes minutes and is the smallest of files: these begin
 * together, and the random runs beside those that last.
 */
export default sequencer((tests) => {
  const random = tests.filter(({ path }) => path.includes('/test/faults/random/'));
  return [...tests.filter((test) => !random.includes(test)), ...random];
});
