import { isDuration, milliseconds } from '@nest-messaging/core/contract';
import { InvalidArgumentError } from 'commander';

/** A day in UTC, or a time that says its zone: what another machine would read otherwise is refused. */
const DATE = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** A date that JavaScript would take for a day of the next month is none. */
const isDay = (text: string): boolean => {
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
};

/** A date by ISO 8601, or how long ago. @throws {InvalidArgumentError} if it is neither */
export function moment(text: string): Date {
  const [, day] = DATE.exec(text) ?? [];
  const date = isDuration(text)
    ? new Date(Date.now() - milliseconds(text))
    : new Date(day !== undefined && isDay(day) ? text : Number.NaN);
  if (Number.isNaN(date.getTime()))
    throw new InvalidArgumentError(
      "Give a day such as 2026-03-01 (UTC), a time with its zone such as 2026-03-01T08:30:00Z, or how long ago, such as '30m', '2h', '7d'.",
    );
  return date;
}
