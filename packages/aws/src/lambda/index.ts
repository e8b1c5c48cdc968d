export { createLambdaHandler, type LambdaContext, type LambdaHandler } from './create-lambda-handler.js';
export type { SqsBatchResponse, SqsEvent, SqsRecord, SqsRecordAttribute } from './event.js';
export type { LambdaHandlerOptions } from './options.js';
