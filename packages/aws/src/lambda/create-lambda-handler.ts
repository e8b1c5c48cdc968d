import { Logger, type INestApplicationContext, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ConnectionError } from '@nest-messaging/core/contract';
import { withIntake, type Intake } from '../intake.js';
import { handleRecords } from './batch.js';
import { recordsOf, type SqsBatchResponse, type SqsEvent } from './event.js';
import { resolveLambdaOptions, type LambdaHandlerOptions } from './options.js';
import { timeOf } from './time.js';

/** What Lambda tells of an invocation, as far as it is asked. */
export interface LambdaContext {
  /** Milliseconds until the function's time-out. */
  getRemainingTimeInMillis(): number;
}

/** The function that Lambda calls. */
export interface LambdaHandler {
  (event: SqsEvent, context: LambdaContext): Promise<SqsBatchResponse>;
  /** Closes the application, if it has booted; a later event boots it anew. For tests: Lambda needs none of it. */
  close(): Promise<void>;
}

/**
 * Runs the application's `@OnEvent` and `@OnQueue` handlers in AWS Lambda. What its `aws` connections would poll, an SQS
 * event source mapping hands over, which must have `ReportBatchItemFailures` on: without it Lambda deletes what failed,
 * too. The application boots with the first event and stays; where that fails, the next event tries again.
 *
 * @param module the application's root module, the same as elsewhere
 * @example export const handler = createLambdaHandler(AppModule);
 * @throws {ConfigurationError} for an unknown option or an unusable value
 * @see https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 */
export function createLambdaHandler(
  module: Type<unknown>,
  options: LambdaHandlerOptions = {},
): LambdaHandler {
  const { reserve, delays, nest } = resolveLambdaOptions(options);
  const logger = new Logger('Messaging');
  const intake: Intake = { sources: new Map(), delays };
  let application: Promise<INestApplicationContext> | undefined;

  const boot = (): Promise<INestApplicationContext> => {
    if (application) return application;
    // Nest would abort the process, and Lambda call that a crash; so the error is told, and the next event tries again.
    const booting = withIntake(intake, () =>
      NestFactory.createApplicationContext(module, { ...nest, abortOnError: false }),
    );
    application = booting;
    booting.catch(() => (application = undefined));
    return booting;
  };

  const close = async (): Promise<void> => {
    const closing = application;
    application = undefined;
    process.removeListener('SIGTERM', onSigterm);
    await (await closing?.catch(() => undefined))?.close();
  };

  /**
   * Lambda sends it where extensions are registered, and leaves less than half a second: nothing runs any more, a few
   * publishes may wait. Raised again, as Nest does, for others who listen, or to end the process.
   */
  const onSigterm = (): void => void close().finally(() => process.kill(process.pid, 'SIGTERM'));

  const tellUnknown = (queue: string, count: number): void => {
    const known = [...intake.sources.keys()];
    logger.error(
      `${count} messages of queue '${queue}' are reported as failed, since no handler of this application takes them: ${
        known.length === 0
          ? 'it takes none from Lambda; is its broker aws(…), and are @nest-messaging/aws and its lambda part of one installation?'
          : `it takes those of ${known.join(', ')}; remove the event source mapping, or add the handler`
      }`,
    );
  };

  const handle = async (event: SqsEvent, context: LambdaContext): Promise<SqsBatchResponse> => {
    const records = recordsOf(event);
    const time = timeOf(context.getRemainingTimeInMillis(), reserve);
    if (!process.listeners('SIGTERM').includes(onSigterm)) process.on('SIGTERM', onSigterm);
    try {
      // It goes on booting, and the next event finds it further.
      await time.limit(
        boot(),
        () =>
          new ConnectionError(
            `the application had not started ${reserve / 2} ms before the function's time was up: give it more time or memory`,
          ),
      );
      const failed = await handleRecords(intake, records, time, tellUnknown);
      if (time.over.aborted && failed.length > 0)
        logger.error(
          `${failed.length} of ${records.length} messages are reported as failed, since the function's time is up: give it more, or let its event source mapping hand over fewer (BatchSize)`,
        );
      return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
    } finally {
      time.end();
    }
  };

  return Object.assign(handle, { close });
}
