import { subscriptionNames } from '../../../packages/aws/src/names.js';
import { awsRegion, type awsCredentials } from '../../support/aws.js';
import type { BrokerConfig } from '../application.js';
import { openDoor } from '../door.js';
import type { Deed, Rights } from '../ground.js';

/** The account of everybody in moto. */
const ACCOUNT = '123456789012';

/** moto looks at signatures and policies once it is told to, and at nobody's until then. */
export async function motoRights(
  url: string,
  namespace: string,
  config: (endpoint: string, more: { credentials: typeof awsCredentials }) => BrokerConfig,
): Promise<Rights> {
  const post = async (to: string, body: string, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await fetch(to, { method: 'POST', body, headers });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`moto: ${text}`);
    return text;
  };
  const enforce = (on: boolean): Promise<string> => post(`${url}/moto-api/reset-auth`, on ? '0' : 'inf');
  const iam = (Action: string, more: Record<string, string> = {}): Promise<string> =>
    post(
      url,
      new URLSearchParams({ Action, Version: '2010-05-08', UserName: namespace, ...more }).toString(),
      {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${awsRegion}/iam/aws4_request, SignedHeaders=host, Signature=0`,
      },
    );

  /** Nobody signs what is told here. */
  const may = async (...denied: readonly { Action: string; Resource: string }[]): Promise<void> => {
    const Statement = [
      { Effect: 'Allow', Action: '*', Resource: '*' },
      ...denied.map((each) => ({ Effect: 'Deny', ...each })),
    ];
    await enforce(false);
    await iam('PutUserPolicy', {
      PolicyName: 'rights',
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement }),
    });
    await enforce(true);
  };

  const arn = (queue: string): string => `arn:aws:sqs:${awsRegion}:${ACCOUNT}:${queue}`;
  // moto knows of actions alone where they are SNS's, or make something.
  const denials = {
    publish: { Action: 'sns:Publish*', Resource: '*' },
    consume: { Action: 'sqs:ReceiveMessage', Resource: arn(`${namespace}_shop_work`) },
    declare: { Action: 'sqs:CreateQueue', Resource: '*' },
  } as const satisfies Partial<Record<Deed, object>>;

  await iam('CreateUser');
  const key = await iam('CreateAccessKey');
  const told = (name: string): string => new RegExp(`<${name}>([^<]*)<`).exec(key)![1]!;
  const credentials = { accessKeyId: told('AccessKeyId'), secretAccessKey: told('SecretAccessKey') };
  await may();
  const door = await openDoor(new URL(url).host);
  const at = (secretAccessKey: string): BrokerConfig =>
    config(`http://127.0.0.1:${door.port}`, { credentials: { ...credentials, secretAccessKey } });
  return {
    broker: at(credentials.secretAccessKey),
    mistaken: at('wrong-s3cret'),
    secrets: [credentials.secretAccessKey, 'wrong-s3cret'],
    // A key cannot be changed, and changed back.
    deeds: ['publish', 'consume', 'declare'],
    deny: (deed) => may(denials[deed as keyof typeof denials]),
    grant: () => may(),
    async forbidden(_, subscription) {
      const { dead } = subscriptionNames({ namespace }, subscription, false);
      await may({ Action: 'sqs:SendMessage*', Resource: arn(dead) });
      return () => may();
    },
    asked: () => ({ connections: door.came, packets: door.packets }),
    async end() {
      await enforce(false);
      await door.close();
    },
  };
}
