import { inspect } from 'node:util';

/** What is known of a line beside its text. Ids, names and numbers: never a payload, never a header. */
export interface LogFields {
  readonly connection: string;
  readonly messageId: string;
  readonly topic?: string;
  readonly group?: string;
  readonly attempt?: number;
  /** Milliseconds that the handler ran. */
  readonly duration?: number;
  /** Milliseconds until the next attempt. */
  readonly delay?: number;
  readonly correlationId?: string;
  /** Why, in one line. */
  readonly error?: string;
  /** Where it happened, a line for each call. */
  readonly stack?: string;
}

/**
 * A line of the log: text for whoever prints it, fields for whoever keeps them. Nest's own logger prints the text, and with
 * `json: true` has all of it under `message`; `nestjs-pino` makes fields of a first argument that is an object, and drops
 * what stands behind it; others print text of whatever they get.
 */
export class LogEntry {
  /** The text, under the name that pino has for it. */
  readonly msg: string;
  declare readonly stack?: string;

  constructor(text: string, fields: LogFields) {
    this.msg = text;
    const known = Object.entries(fields).filter(([, value]) => value !== undefined);
    Object.assign(this, Object.fromEntries(known));
  }

  /** The text, under the name that winston has for it. */
  get message(): string {
    return this.msg;
  }

  toString(): string {
    return this.msg;
  }

  [inspect.custom](): string {
    return this.stack === undefined ? this.msg : `${this.msg}\n${this.stack}`;
  }
}
