export { aws } from './aws.js';
export type {
  AwsHandlerOptions,
  AwsOptions,
  LargePayloads,
  S3ClientSettings,
  SharedClientConfig,
} from './options.js';
