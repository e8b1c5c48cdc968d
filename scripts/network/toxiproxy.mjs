/** Toxiproxy: a network between an application and its broker that a test can cut, slow down or make swallow all. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withLock } from '../brokers/lock.mjs';
import { freePorts } from '../brokers/ports.mjs';
import { end, startDetached } from '../brokers/processes.mjs';
import { run, tail } from '../brokers/run.mjs';
import { until } from '../brokers/until.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));
const shared = fileURLToPath(new URL('../../.tmp', import.meta.url));
const program = 'github.com/Shopify/toxiproxy/v2/cmd/server';
const buildWithin = 10 * 60_000;

/**
 * Starts one of the caller's own, on loopback; it knows no route yet.
 * @param {{ directory: string, say?: (line: string) => void }} options `directory`: where its log goes
 * @returns {Promise<{ api: string, stop: () => Promise<void> }>} `api`: where its HTTP API is
 * @see https://github.com/Shopify/toxiproxy#http-api
 */
export async function startToxiproxy({ directory, say = () => {} }) {
  const server = await found(say);
  const [port] = await freePorts(1);
  const child = await startDetached(server, ['-host', '127.0.0.1', '-port', String(port)], {
    env: { ...process.env, LOG_LEVEL: 'error' },
    cwd: directory,
    log: `${directory}/toxiproxy.log`,
  });
  const api = `http://127.0.0.1:${port}`;
  const serves = () =>
    fetch(`${api}/version`).then(
      ({ ok }) => ok,
      () => false,
    );
  const stop = () => end(child, { signal: 'SIGTERM', within: 5_000 });
  if (await until(serves, { within: 10_000 })) return { api, stop };
  await stop();
  throw new Error(`toxiproxy did not serve within 10 s; its log is ${directory}/toxiproxy.log`);
}

/** The machine's own, or one built here from sources whose versions and sums stand in go.mod and go.sum. @param {(line: string) => void} say */
async function found(say) {
  if ((await run('toxiproxy-server', ['-version'])).ok) return 'toxiproxy-server';
  const id = createHash('sha256')
    .update(readFileSync(`${folder}/go.sum`))
    .digest('hex')
    .slice(0, 12);
  const binary = `${shared}/toxiproxy-${id}`;
  return withLock(`${shared}/toxiproxy.lock`, async () => {
    if (existsSync(binary)) return binary;
    say('Building toxiproxy with Go …');
    const draft = `${binary}-${process.pid}`;
    const { ok, output } = await run('go', ['build', '-o', draft, program], {
      cwd: folder,
      timeout: buildWithin,
    });
    if (!ok)
      throw new Error(
        `There is no toxiproxy-server, and Go cannot build it (${tail(output)}): install toxiproxy 2, or Go 1.24 or later.`,
      );
    renameSync(draft, binary);
    return binary;
  });
}
