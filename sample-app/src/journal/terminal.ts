import type { LoggerService } from '@nestjs/common';
import { styleText } from 'node:util';
import type { Note } from '../contracts/journal.js';

type Style = Parameters<typeof styleText>[0];

const SERVICE_STYLES: Record<string, Style> = {
  orders: 'cyan',
  payments: 'green',
  inventory: 'yellow',
  packing: 'magenta',
  notifications: 'blue',
  analytics: 'gray',
};
const OUTCOME_STYLES: Record<Note['outcome'], Style> = {
  done: 'reset',
  failed: 'yellow',
  'dead letter': 'red',
};

function printLine(at: Date, who: string, style: Style, what: string): void {
  // styleText heeds NO_COLOR, and leaves colours out where the output is no terminal.
  console.log(styleText('dim', at.toTimeString().slice(0, 8)), styleText(style, who.padEnd(13)), what);
}

export function printNote({ at, service, topic, order, attempt = 1, outcome, text }: Note): void {
  const result = styleText(OUTCOME_STYLES[outcome], outcome === 'done' ? text : `${outcome}: ${text}`);
  const attempts = attempt > 1 ? styleText('dim', ` (attempt ${attempt})`) : '';
  const what = `${topic.padEnd(13)} ${order}  ${result}${attempts}`;
  printLine(new Date(at), service, SERVICE_STYLES[service] ?? 'reset', what);
}

function printLog(style: Style, message: unknown, context: unknown): void {
  // Nest logs an error that stops the start, and throws it too: main.ts prints that one.
  if (message instanceof Error) return;
  printLine(new Date(), String(context).toLowerCase(), 'dim', styleText(style, String(message)));
}

/** All warnings and errors, of Nest and of the messaging module, in a line each; no more of Nest, for its news are many. */
export const terminalLogger: LoggerService = {
  log(message: unknown, context: unknown) {
    if (context === 'Messaging') printLog('dim', message, context);
  },
  warn: (message: unknown, context: unknown) => printLog('yellow', message, context),
  error: (message: unknown, _stack: unknown, context: unknown) => printLog('red', message, context),
};
