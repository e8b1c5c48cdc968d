import { ConfigurationError } from './errors.js';

/** Milliseconds, or text such as `'500ms'`, `'30s'`, `'5m'`, `'2h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export function isDuration(value: unknown): value is Duration {
  return typeof value === 'number'
    ? Number.isFinite(value) && value >= 0
    : typeof value === 'string' && /^\d+(\.\d+)?(ms|s|m|h|d)$/.test(value);
}

/** @throws {ConfigurationError} for anything that is no duration */
export function milliseconds(duration: Duration): number {
  if (!isDuration(duration))
    throw new ConfigurationError(
      `${JSON.stringify(duration)} is no duration: give milliseconds or text such as '500ms', '30s', '5m', '2h', '7d'`,
    );
  if (typeof duration === 'number') return duration;
  const unit = /[a-z]+$/.exec(duration)![0] as keyof typeof UNITS;
  return Number.parseFloat(duration) * UNITS[unit];
}
