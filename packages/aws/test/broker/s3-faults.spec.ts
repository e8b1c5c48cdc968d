import { describe, expect, it } from '@jest/globals';
import type { AwsOptions } from '../../src/index.js';
import { startS3Stub, type S3Stub } from '../support/s3-stub.js';
import { until, useStage } from '../support/stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

const stage = useStage();

const settings = ({ endpoint }: S3Stub): AwsOptions => ({
  largePayloads: {
    bucket: 'bucket',
    above: 0,
    client: {
      endpoint,
      forcePathStyle: true,
      maxAttempts: 1,
      requestHandler: { connectionTimeout: 300, socketTimeout: 300 },
    },
  },
});

const opened = async () => {
  const here = stage();
  const s3 = await startS3Stub();
  here.after(() => s3.close());
  return { here, s3, application: await here.open(settings(s3)) };
};

const queue = { kind: 'queue', name: 'work' } as const;

describe('a body that may not be read', () => {
  it.each([
    ['not allowed', { status: 403, code: 'AccessDenied' }, /grant s3:GetObject, and s3:ListBucket/],
    ['in a bucket that is not there for now', { status: 404, code: 'NoSuchBucket' }, /as the test wants it/],
    ['away', { status: 503, code: 'SlowDown' }, /as the test wants it/],
    ['silent', 'silence', /timed out/],
  ] as const)('since S3 is %s comes again, and is no dead letter', async (_, refusal, message) => {
    const { application, s3 } = await opened();
    await application.enqueue('work', '"body"');
    s3.refusal = refusal;
    const worker = await application.subscribe(queue);
    await until(() => application.warnings.length >= 2, 'two attempts');
    for (const warning of application.warnings) {
      expect(warning).toMatch(/could not be read from S3: it is tried again/);
      expect(warning).toMatch(message);
    }
    expect(await listed(application.transport.deadLetters, { source: queue, group: 'group' }, 1)).toEqual([]);
    s3.refusal = undefined;
    await until(() => worker.seen.length === 1, 'the worker');
    expect(worker.seen[0]).toMatchObject({ text: '"body"', attempt: 1 });
  });
});

describe('a publish', () => {
  it('waits while S3 is away', async () => {
    const { application, s3 } = await opened();
    const worker = await application.subscribe(queue);
    s3.refusal = { status: 503, code: 'SlowDown' };
    const sent = application.enqueue('work', '"body"');
    await until(() => s3.asked.filter((one) => one.startsWith('PUT')).length >= 2, 'two attempts');
    s3.refusal = undefined;
    await sent;
    await until(() => worker.seen.length === 1, 'the worker');
  });

  it('is refused where S3 is not allowed, and says what to grant', async () => {
    const { application, s3 } = await opened();
    s3.refusal = { status: 403, code: 'AccessDenied' };
    await expect(application.enqueue('work', '"body"')).rejects.toMatchObject({
      code: 'PUBLISH_REJECTED',
      message: expect.stringContaining("the credentials do not allow s3:PutObject in bucket 'bucket'"),
    });
  });
});

describe('the start', () => {
  it('goes on where the bucket may not be listed', async () => {
    const here = stage();
    const s3 = await startS3Stub();
    here.after(() => s3.close());
    s3.refusal = { status: 403, code: 'AccessDenied' };
    await here.open(settings(s3));
    expect(s3.asked).toEqual(['HEAD /bucket/']);
  });

  it.each([
    ['is in another region', { status: 301, code: 'PermanentRedirect' }, 'TOPOLOGY', /another region/],
    ['cannot be reached', { status: 503, code: 'SlowDown' }, 'CONNECTION', /S3 cannot be reached/],
  ])('is refused where the bucket %s', async (_, refusal, code, message) => {
    const here = stage();
    const s3 = await startS3Stub();
    here.after(() => s3.close());
    s3.refusal = refusal;
    await expect(here.open(settings(s3))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});
