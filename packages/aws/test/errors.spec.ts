import { describe, expect, it } from '@jest/globals';
import { answered, isRetryable } from '../src/errors.js';

/** An error as the SDK throws it outside of Jest, where it knows errors by their realm and puts others into its own. */
const thrown = (status: number | undefined, more: object = {}): Error =>
  Object.assign(new Error('as the test wants it'), {
    ...more,
    $metadata: status === undefined ? { attempts: 1 } : { httpStatusCode: status, attempts: 1 },
  });

describe('An error of the SDK', () => {
  it('is no answer where the connection broke within one that had begun well', () => {
    const broken = thrown(200, { code: 'ECONNRESET' });
    expect(answered(broken)).toBe(false);
    expect(isRetryable(broken)).toBe(true);
  });

  it.each([
    [undefined, { code: 'ECONNREFUSED' }, false, true],
    [400, { name: 'InvalidParameterValue' }, true, false],
    [403, { name: 'AccessDenied' }, true, false],
    [400, { name: 'ThrottlingException' }, true, true],
    [503, {}, true, true],
  ])(
    'of status %s and %o: an answer is %s, and that the same may succeed later %s',
    (status, more, is, may) => {
      const error = thrown(status, more);
      expect(answered(error)).toBe(is);
      expect(isRetryable(error)).toBe(may);
    },
  );
});
