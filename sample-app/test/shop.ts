import type { Note } from '../src/contracts/journal.js';
import type { Order } from '../src/contracts/orders.js';
import { ShopProcess, until } from './processes.js';

/** The processes of a shop, and what they and its page say. */
export class Shop {
  readonly processes: ShopProcess[] = [];
  /** What all terminals show, in the order of its arrival. */
  readonly lines: string[] = [];
  /** What the page has been told. */
  readonly notes: Note[] = [];
  private readonly watching = new AbortController();

  constructor(private readonly env: Readonly<Record<string, string>> = {}) {}

  /** Starts a process for each list of arguments, and watches as the page does. */
  async open(...commands: readonly (readonly string[])[]): Promise<void> {
    const started = commands.map((args) => new ShopProcess(args, this.env, (line) => this.lines.push(line)));
    this.processes.push(...started);
    await Promise.all(started.map((process) => process.ready()));
    await this.watch();
  }

  get url(): string {
    return this.processes.find(({ output }) => output.includes('The shop is open'))!.url;
  }

  async place(order: Omit<Order, 'id'>): Promise<string> {
    const response = await this.post('/orders', order);
    if (!response.ok) throw new Error(`the order was refused: ${await response.text()}`);
    return ((await response.json()) as Order).id;
  }

  post(path: string, body?: unknown): Promise<Response> {
    const headers = { 'content-type': 'application/json' };
    return fetch(`${this.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  /** The first line that looks so. */
  line(pattern: RegExp): Promise<string> {
    return until(
      () => this.lines.find((line) => pattern.test(line)),
      () => `a line like ${String(pattern)}:\n${this.lines.join('\n')}`,
    );
  }

  /** The lines of an order on the terminals, by service and topic, without times. */
  told(order: string, service: string, topic: string): string[] {
    const start = new RegExp(`^\\S+ ${service} +${topic} +${order}  `);
    return this.lines.filter((line) => start.test(line)).map((line) => line.replace(start, ''));
  }

  /** Waits until a service has told so much of an order's topic. */
  async hears(order: string, service: string, topic: string, count = 1): Promise<string[]> {
    await until(
      () => this.told(order, service, topic).length >= count,
      () => `${service} to tell ${count} times of ${topic} of order ${order}:\n${this.lines.join('\n')}`,
    );
    return this.told(order, service, topic);
  }

  /** The note on the page of a service, an order and a topic, with the given words. */
  note(order: string, service: string, topic: string, text: string, outcome = 'done'): Promise<Note> {
    return until(
      () =>
        this.notes.find(
          (note) =>
            note.order === order &&
            note.service === service &&
            note.topic === topic &&
            note.outcome === outcome &&
            note.text.includes(text),
        ),
      () => `the page to show '${text}' of ${service} for ${topic} of order ${order}`,
    );
  }

  async close(): Promise<void> {
    this.watching.abort();
    await Promise.all(this.processes.map((process) => process.kill()));
  }

  /** Reads the page's stream of notes until the shop closes. */
  private async watch(): Promise<void> {
    const { signal } = this.watching;
    const response = await fetch(`${this.url}/journal`, { signal });
    const read = async (): Promise<void> => {
      let text = '';
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        const events = (text + chunk).split('\n\n');
        text = events.pop()!;
        for (const event of events) {
          const data = /^data: (.*)$/m.exec(event)?.[1];
          if (data) this.notes.push(JSON.parse(data) as Note);
        }
      }
    };
    // Ends with the shop's process, or with the test.
    void read().catch(() => undefined);
  }
}
