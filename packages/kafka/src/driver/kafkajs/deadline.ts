import { timeout } from './translate.js';

/** By then each request has its own end; this is for what comes before it, such as connecting. In milliseconds. */
const GRACE = 50;

/**
 * Finding the broker, connecting to it and asking it together keep one limit, in milliseconds.
 * @param ask is told when that is, in milliseconds since 1970
 * @throws DriverError `TIMEOUT`
 */
export async function within<Answer>(
  limit: number,
  ask: (deadline: number) => Promise<Answer>,
): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timeout('asked')), Math.max(limit, 0) + GRACE);
  });
  try {
    return await Promise.race([ask(Date.now() + limit), late]);
  } finally {
    clearTimeout(timer);
  }
}
