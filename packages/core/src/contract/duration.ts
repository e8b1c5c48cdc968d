import { ConfigurationError } from './errors.js';

/** Milliseconds, or text such as `'500ms'`, `'30s'`, `'5m'`, `'2h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const TEXT = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** No number for what is no duration, and an infinite one for more digits than numbers have. */
function count(value: unknown): number {
  if (typeof value === 'number') return value;
  const [, amount, unit] = (typeof value === 'string' && TEXT.exec(value)) || [];
  return unit === undefined ? Number.NaN : Number(amount) * UNITS[unit as keyof typeof UNITS];
}

export function isDuration(value: unknown): value is Duration {
  const ms = count(value);
  return Number.isFinite(ms) && ms >= 0;
}

/** @throws {ConfigurationError} for anything that is no duration */
export function milliseconds(duration: Duration): number {
  if (isDuration(duration)) return count(duration);
  const given: unknown = duration;
  const shown =
    typeof given === 'string' ? JSON.stringify(given) : typeof given === 'number' ? given : typeof given;
  throw new ConfigurationError(
    `${shown} is no duration: give milliseconds or text such as '500ms', '30s', '5m', '2h', '7d'`,
  );
}
