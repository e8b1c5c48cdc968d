/** The emulator of all tests; tests never pass for want of one. */
export function awsEndpoint(): string {
  const endpoint = process.env['AWS_ENDPOINT_URL'];
  if (!endpoint)
    throw new Error(
      'AWS_ENDPOINT_URL is not set: start an emulator with `npm run brokers -- up aws`, and set what `npm run --silent brokers -- env` prints',
    );
  return endpoint;
}

export const awsRegion = 'eu-west-1';

/** The SDK demands some, and an emulator takes any. */
export const awsCredentials = { accessKeyId: 'test', secretAccessKey: 'test' };

/** What a client of the SDK is told in tests, whatever the machine is set up for. */
export const awsClient = () => ({
  endpoint: awsEndpoint(),
  region: awsRegion,
  credentials: awsCredentials,
});

/** The same for whoever finds all this out by himself, as a process of its own does. */
export const awsEnvironment = () => ({
  AWS_ENDPOINT_URL: awsEndpoint(),
  AWS_REGION: awsRegion,
  AWS_ACCESS_KEY_ID: awsCredentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: awsCredentials.secretAccessKey,
});
