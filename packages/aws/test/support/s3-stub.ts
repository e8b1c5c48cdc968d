import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** S3 as no emulator is: it denies, fails and is away when a test wants it. Holds one object for each path. */
export interface S3Stub {
  readonly endpoint: string;
  readonly objects: Map<string, Buffer>;
  /** Methods and paths of all that was asked. */
  readonly asked: string[];
  /** Answered instead, as long as it is set. */
  refusal: { readonly status: number; readonly code: string } | 'silence' | undefined;
  close(): Promise<void>;
}

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

export async function startS3Stub(): Promise<S3Stub> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url!.replace(/\?.*$/, '');
    stub.asked.push(`${request.method} ${path}`);
    const body = await bodyOf(request);
    const { refusal } = stub;
    if (refusal === 'silence') return;
    if (refusal) {
      response.writeHead(refusal.status, { 'content-type': 'application/xml' });
      response.end(`<Error><Code>${refusal.code}</Code><Message>as the test wants it</Message></Error>`);
    } else if (request.method === 'PUT') {
      stub.objects.set(path, body);
      response.end();
    } else response.end(stub.objects.get(path));
  };
  const server = createServer((...about) => void answer(...about));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stub: S3Stub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects: new Map(),
    asked: [],
    refusal: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return stub;
}
