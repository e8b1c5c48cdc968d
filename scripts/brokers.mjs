/** Real brokers for tests and for trying things out: `npm run brokers -- up|down|status|env [broker …]`. */
import { down, status, up } from './brokers/shared.mjs';
import { brokers } from './brokers/index.mjs';

const usage = `Usage: npm run brokers -- up|down|status|env [${brokers.map(({ name }) => name).join('|')}]

  up      finds or starts the brokers, and leaves them running
  down    stops those started here, and no others
  status  one line for each
  env     NAME=address lines for those that are up (npm run --silent brokers -- env)`;

const [command, ...names] = process.argv.slice(2);
const unknown = names.filter((name) => !brokers.some((broker) => broker.name === name));
const chosen = names.length > 0 ? brokers.filter(({ name }) => names.includes(name)) : brokers;
const say = console.log;

/** @type {{ [command: string]: (broker: import('./brokers/broker.mjs').Broker) => Promise<unknown> }} */
const commands = {
  up: (broker) => up(broker, { say }),
  down: (broker) => down(broker, { say }),
  status: async (broker) => say((await status(broker)).text),
  env: async (broker) => {
    const { url } = await status(broker);
    if (url) say(`${broker.variable}=${url}`);
  },
};

const act = Object.hasOwn(commands, command ?? '') ? commands[/** @type {string} */ (command)] : undefined;
if (!act || unknown.length > 0) {
  if (unknown.length > 0) console.error(`Unknown broker: ${unknown.join(', ')}.`);
  else if (command) console.error(`Unknown command: ${command}.`);
  console.error(usage);
  process.exitCode = 2;
} else {
  // One after the other: a small machine starts two brokers no sooner at once.
  for (const broker of chosen) {
    await act(broker).catch((error) => {
      console.error(error.message);
      process.exitCode = 1;
    });
  }
}
