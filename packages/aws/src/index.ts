export { aws } from './aws.js';
export type { AwsHandlerOptions, AwsOptions, SharedClientConfig } from './options.js';
