import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What was asked of AWS, in IAM's words. */
export interface Asked {
  /** Such as `sqs:SendMessage`. */
  readonly action: string;
  /** Name of the topic or the queue; undefined where the request names none. */
  readonly resource: string | undefined;
}

/** Passes requests on to an emulator, and remembers what they were. */
export interface Recorder {
  readonly url: string;
  readonly asked: Asked[];
  close(): Promise<void>;
}

const last = (text: unknown): string | undefined =>
  typeof text === 'string' ? text.split(/[:/]/).at(-1) : undefined;

/** IAM has no actions for batches. */
const ofOne = (operation: string): string => operation.replace(/Batch$/, '');

/** SQS speaks JSON, with the operation in a header; SNS forms, with it in a field. */
function askedBy(target: string | undefined, body: string): Asked {
  if (target) {
    const { QueueUrl, QueueName } = JSON.parse(body) as Record<string, unknown>;
    return { action: `sqs:${ofOne(target.split('.')[1]!)}`, resource: last(QueueUrl ?? QueueName) };
  }
  const form = new URLSearchParams(body);
  return {
    action: `sns:${ofOne(form.get('Action')!)}`,
    resource: last(form.get('TopicArn') ?? form.get('Name') ?? undefined),
  };
}

/** Each service's own way to say so. */
function refuse(from: IncomingMessage, to: ServerResponse, { action }: Asked): void {
  const message = `not authorized to perform ${action}`;
  if (from.headers['x-amz-target']) {
    to.writeHead(403, { 'content-type': 'application/x-amz-json-1.0' });
    to.end(JSON.stringify({ __type: 'com.amazonaws.sqs#AccessDeniedException', message }));
  } else {
    to.writeHead(403, { 'content-type': 'text/xml' });
    to.end(
      `<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>${message}</Message></Error></ErrorResponse>`,
    );
  }
}

/** @param allows what is passed on, the rest being refused; all, if it is left out */
export async function startRecorder(
  endpoint: string,
  allows: (asked: Asked) => boolean = () => true,
): Promise<Recorder> {
  const asked: Asked[] = [];
  const pass = async (from: IncomingMessage, to: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of from) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const what = askedBy(from.headers['x-amz-target'] as string | undefined, body.toString());
    asked.push(what);
    if (!allows(what)) return refuse(from, to, what);
    const onward = forward(new URL(from.url!, endpoint), { method: from.method, headers: from.headers });
    onward.on('response', (answer) => {
      to.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(to);
    });
    onward.on('error', () => to.destroy());
    to.on('close', () => onward.destroy());
    onward.end(body);
  };
  const server = createServer((...about) => void pass(...about).catch(() => about[1].destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
