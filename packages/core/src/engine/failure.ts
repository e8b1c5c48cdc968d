import type { Failure } from '../contract/index.js';

/** Headers of every broker hold this much; a stack trace or a dump would not fit all of them. */
const LONGEST_TEXT = 500;

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]+/g;

/** Foreign text may hold line breaks, which would forge lines of a log. */
export const oneLine = (text: string): string => text.replace(CONTROL, ' ').trim();

function short(text: string): string {
  const line = oneLine(text);
  return line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT - 1)}…` : line;
}

/** Handlers throw anything: errors, text, `undefined`, frozen objects, objects whose getters throw. */
export function failureOf(error: unknown, at: number): Failure {
  try {
    if (error instanceof Error) {
      const code = (error as { code?: unknown }).code;
      return {
        name: short(error.name),
        message: short(error.message),
        at,
        ...(typeof code === 'string' && { code: short(code) }),
      };
    }
    return {
      name: 'NonError',
      message: typeof error === 'string' ? short(error) : `the handler threw ${typeof error}`,
      at,
    };
  } catch {
    return { name: 'NonError', message: 'the handler threw what cannot be read', at };
  }
}
