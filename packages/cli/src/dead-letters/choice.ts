import type { Command } from 'commander';
import type { DeadLetterFilter, WhichDeadLetters } from '@nest-messaging/core';
import { UsageError } from '../exit.js';
import { moment } from './moment.js';

/** Which dead letters are meant. */
export type FilterOptions = Omit<DeadLetterFilter, 'ids'>;

export interface ChoiceOptions extends FilterOptions {
  readonly all?: boolean;
}

export function addFilter(command: Command): Command {
  return command
    .option('--error <name>', 'those whose last error has this class or code')
    .option('--since <time>', 'set aside then or later: a date, or how long ago, such as 2h', moment)
    .option('--until <time>', 'set aside before', moment);
}

export function addChoice(command: Command): Command {
  return addFilter(command.argument('[ids...]', 'message ids')).option('--all', 'all of them');
}

/** Those that fit all that is said; undefined where nothing is. @throws {UsageError} if the one undoes the other */
export function choiceOf(
  ids: readonly string[],
  { error, since, until, all }: ChoiceOptions,
): WhichDeadLetters | undefined {
  const filter: DeadLetterFilter = {
    ...(ids.length > 0 && { ids }),
    ...(error !== undefined && { error }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  };
  const [said] = Object.keys(filter);
  if (all && said !== undefined)
    throw new UsageError(
      `--all is given, and ${said === 'ids' ? 'message ids' : `--${said}`} as well: say one of them`,
    );
  return all ? 'all' : said === undefined ? undefined : filter;
}

/** @throws {UsageError} if nothing says which: nothing is taken for all */
export function explicitChoiceOf(ids: readonly string[], options: ChoiceOptions): WhichDeadLetters {
  const choice = choiceOf(ids, options);
  if (choice !== undefined) return choice;
  throw new UsageError(
    'which dead letters is not said: give message ids, --error, --since or --until, or --all',
  );
}
