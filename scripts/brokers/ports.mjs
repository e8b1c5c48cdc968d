import { createServer } from 'node:net';

/**
 * Below the ranges from which Linux (32768 up) and macOS (49152 up) pick the near end of outgoing connections. From
 * inside such a range, a client that reconnects to a stopped broker can be given the broker's own port and so connect
 * to itself, and the broker cannot come back.
 */
const lowest = 21_000;
const highest = 31_999;

/**
 * Distinct ports on which nobody listens on loopback now.
 * @param {number} count
 * @returns {Promise<number[]>}
 */
export async function freePorts(count) {
  /** @type {Set<number>} */
  const found = new Set();
  for (let tries = 0; found.size < count && tries < 1_000; tries++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1));
    if (await isFree(port)) found.add(port);
  }
  if (found.size < count) throw new Error(`No ${count} free ports between ${lowest} and ${highest}.`);
  return [...found];
}

/** @param {number} port @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)));
  });
}
