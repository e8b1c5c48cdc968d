import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What was asked for, and by whom. */
export interface Call {
  readonly service: 'sns' | 'sqs';
  readonly action: string;
  /** Its parameters; lists of SNS's are arrays. */
  readonly input: any;
  readonly accessKeyId: string;
}

/** No, as the service says it. */
export interface Refusal {
  readonly refused: string;
  readonly status: number;
  readonly text: string;
}

export const refuse = (refused: string, status = 400, text = 'as the test wants it'): Refusal => ({
  refused,
  status,
  text,
});

/** An answer, a refusal, none at all, one that breaks off, or what the service would say by itself. */
export type Answer = object | Refusal | 'never' | 'half' | 'usual';

/** What a batch answers when those of these bodies or receipts fail. */
export interface Failure {
  readonly code: string;
  /** @default true */
  readonly sender?: boolean;
}

/**
 * SNS and SQS as no emulator is: they throttle, refuse credentials, fail for some of a batch, and do not answer, when a
 * test wants it. Everything else is granted at once. Speaks SQS's JSON protocol and SNS's query protocol, as far as the
 * module does.
 */
export interface Stub {
  readonly url: string;
  readonly calls: Call[];
  /** How often an action was asked for. */
  count(action: string): number;
  /** Those asked for so far. */
  of(action: string): Call[];
  /** Answers an action from now on; `nth` counts from 0 since then. */
  on(action: string, answer: (call: Call, nth: number) => Answer | Promise<Answer>): void;
  /** The same for all actions, before what is set for one. */
  onAll(answer: ((call: Call) => Answer) | undefined): void;
  /** Puts messages into the one queue there is; answers their receipt handles. */
  put(...bodies: readonly string[]): void;
  /** Puts the same message once more, under a new receipt, as SQS does after its visibility time-out. */
  putAgain(body: string): void;
  /** Polls that wait. */
  readonly polls: number;
  close(): Promise<void>;
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
};

/** `a.member.1.b=c` as objects and arrays. */
function unfold(form: URLSearchParams): any {
  const root: any = {};
  for (const [path, value] of form) {
    const words = path.split('.').filter((word) => word !== 'member' && word !== 'entry');
    let place = root;
    words.forEach((word, at) => {
      const key = /^\d+$/.test(word) ? Number(word) - 1 : word;
      if (at === words.length - 1) place[key] = value;
      else place = place[key] ??= /^\d+$/.test(words[at + 1]!) ? [] : {};
    });
  }
  return root;
}

const escaped = (text: string): string =>
  text.replace(/[<&>]/g, (character) => `&#${character.charCodeAt(0)};`);

function xml(value: unknown): string {
  if (Array.isArray(value)) return value.map((one) => `<member>${xml(one)}</member>`).join('');
  if (typeof value === 'object' && value !== null)
    return Object.entries(value)
      .map(([name, inner]) => `<${name}>${xml(inner)}</${name}>`)
      .join('');
  return escaped(String(value));
}

const entriesOf = ({ input }: Call): any[] => input.Entries ?? input.PublishBatchRequestEntries;

/** What a batch answers: all of it is done, but for those that `fails` names a failure for. */
export function batchAnswer(
  call: Call,
  fails: (entry: any) => Failure | undefined = () => undefined,
): object {
  const entries = entriesOf(call).map((entry) => ({ entry, failure: fails(entry) }));
  return {
    Successful: entries
      .filter(({ failure }) => !failure)
      .map(({ entry }) => ({
        Id: entry.Id,
        MessageId: randomUUID(),
        ...(entry.MessageBody === undefined ? {} : { MD5OfMessageBody: md5(entry.MessageBody) }),
      })),
    Failed: entries
      .filter(({ failure }) => failure)
      .map(({ entry, failure }) => ({
        Id: entry.Id,
        Code: failure!.code,
        Message: 'as the test wants it',
        SenderFault: failure!.sender ?? true,
      })),
  };
}

export async function startStub(): Promise<Stub> {
  const calls: Call[] = [];
  const scripts = new Map<
    string,
    { readonly answer: (call: Call, nth: number) => Answer | Promise<Answer>; nth: number }
  >();
  const ready: object[] = [];
  const waiting = new Set<() => void>();
  const ids = new Map<string, string>();
  let forAll: ((call: Call) => Answer) | undefined;
  let receipts = 0;

  const queue = (message: {
    readonly MessageId: string;
    readonly Body: string;
    MessageAttributes?: object;
  }): void => {
    const { Body } = message;
    ready.push({ ...message, MD5OfBody: md5(Body), ReceiptHandle: `${Body}/${++receipts}` });
    for (const end of waiting) end();
  };

  const receive = async ({ MaxNumberOfMessages = 1, WaitTimeSeconds = 0 }: any): Promise<object> => {
    if (ready.length === 0 && WaitTimeSeconds > 0)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => end(), WaitTimeSeconds * 1_000);
        const end = (): void => {
          clearTimeout(timer);
          waiting.delete(end);
          resolve();
        };
        waiting.add(end);
      });
    return { Messages: ready.splice(0, MaxNumberOfMessages) };
  };

  const usual = async (call: Call): Promise<object> => {
    const { action, input } = call;
    switch (action) {
      case 'ListTopics':
        return { Topics: [] };
      case 'CreateTopic':
        return { TopicArn: `arn:aws:sns:eu-west-1:000000000000:${input.Name}` };
      case 'Subscribe':
        return { SubscriptionArn: `${input.TopicArn}:${randomUUID()}` };
      case 'GetQueueUrl':
      case 'CreateQueue':
        return { QueueUrl: `${stub.url}/000000000000/${input.QueueName}` };
      case 'GetQueueAttributes':
        return {
          Attributes: { QueueArn: `arn:aws:sqs:eu-west-1:000000000000:${input.QueueUrl.split('/').at(-1)}` },
        };
      case 'ReceiveMessage':
        return receive(input);
      case 'SendMessage':
        queue({
          MessageId: randomUUID(),
          Body: input.MessageBody,
          MessageAttributes: input.MessageAttributes,
        });
        return {};
      case 'PublishBatch':
      case 'SendMessageBatch':
      case 'DeleteMessageBatch':
      case 'ChangeMessageVisibilityBatch':
        return batchAnswer(call);
      default:
        return {};
    }
  };

  const decide = async (call: Call): Promise<Answer> => {
    const script = scripts.get(call.action);
    const answers = [forAll?.(call) ?? 'usual', script && (() => script.answer(call, script.nth++))];
    for (const answer of answers) {
      const said = typeof answer === 'function' ? await answer() : answer;
      if (said !== undefined && said !== 'usual') return said;
    }
    return usual(call);
  };

  const callOf = async (request: IncomingMessage): Promise<Call> => {
    const text = await textOf(request);
    const target = request.headers['x-amz-target'];
    const accessKeyId = /Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (typeof target === 'string')
      return { service: 'sqs', action: target.split('.')[1]!, input: JSON.parse(text || '{}'), accessKeyId };
    const { Action, ...input } = unfold(new URLSearchParams(text));
    return { service: 'sns', action: Action, input, accessKeyId };
  };

  const respond = (
    response: ServerResponse,
    { service, action }: Call,
    answer: Exclude<Answer, string>,
  ): void => {
    const refusal = 'refused' in answer ? (answer as Refusal) : undefined;
    response.statusCode = refusal?.status ?? 200;
    if (service === 'sqs') {
      response.setHeader('content-type', 'application/x-amz-json-1.0');
      response.end(
        JSON.stringify(
          refusal ? { __type: `com.amazonaws.sqs#${refusal.refused}`, message: refusal.text } : answer,
        ),
      );
    } else {
      response.setHeader('content-type', 'text/xml');
      const { refused, text, status } = refusal ?? {};
      response.end(
        refusal
          ? `<ErrorResponse>${xml({ Error: { Type: status! < 500 ? 'Sender' : 'Receiver', Code: refused, Message: text } })}</ErrorResponse>`
          : `<${action}Response>${xml({ [`${action}Result`]: answer, ResponseMetadata: { RequestId: randomUUID() } })}</${action}Response>`,
      );
    }
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const call = await callOf(request);
    calls.push(call);
    const answer = await decide(call);
    if (typeof answer !== 'string') return respond(response, call, answer);
    if (answer !== 'half') return;
    response.writeHead(200, { 'content-length': 1_000 });
    response.write('{', () => response.destroy());
  };

  const server: Server = createServer((request, response) => {
    // A client that has gone in the middle of its request is none of the test's matters.
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const putAgain = (body: string): void => {
    const MessageId = ids.get(body) ?? randomUUID();
    ids.set(body, MessageId);
    queue({ MessageId, Body: body });
  };

  const stub: Stub = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    of: (action) => calls.filter((call) => call.action === action),
    count: (action) => calls.filter((call) => call.action === action).length,
    on: (action, answer) => void scripts.set(action, { answer, nth: 0 }),
    onAll: (answer) => (forAll = answer),
    put: (...bodies) => bodies.forEach(putAgain),
    putAgain,
    get polls() {
      return waiting.size;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const end of waiting) end();
      }),
  };
  return stub;
}
