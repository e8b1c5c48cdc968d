import assert from 'node:assert/strict';
import type { Application, ApplicationConfig, Letter } from '../application.js';
import type { Stage } from '../stage.js';
import { OTHER_GROUP, PROCESSES, QUEUE, TOPIC, type Blow, type Schedule } from './schedule.js';

/** The processes of a run: some handle, the last one publishes. */
export interface Crew {
  /** @returns what brings the process back */
  readonly strike: (blow: Blow) => Promise<() => Promise<void>>;
  /** Ends all loads, and waits until every process is ready. */
  readonly end: () => Promise<void>;
  readonly letters: () => Promise<Letter[]>;
}

/** @param apart whether messages outlive a process; otherwise one process does it all */
export async function startCrew(stage: Stage, schedule: Schedule, apart: boolean): Promise<Crew> {
  const { handlers, loads } = schedule;
  const publish = { timeout: '5s', maxPending: 2_000 } as const;
  const handling: Partial<ApplicationConfig> = { handlers };
  const publishing: Partial<ApplicationConfig> = { handlers: apart ? [] : handlers, module: { publish } };
  let lives = 0;
  let names: string[] = [];

  /** A process that publishes chooses new ids in each of its lives. */
  const start = async (config: Partial<ApplicationConfig>): Promise<Application> => {
    const application = await stage.start(config);
    if (config !== publishing) return application;
    const life = ++lives;
    names = loads.map(({ topic }, n) => `${topic === undefined ? QUEUE : TOPIC}-${life}-${n}`);
    for (const [n, load] of loads.entries()) await application.begin({ ...load, name: names[n]! });
    return application;
  };

  const configs = apart
    ? [...Array.from({ length: PROCESSES - 1 }, () => handling), publishing]
    : [publishing];
  const members: Application[] = [];
  for (const config of configs) members.push(await start(config));
  const last = (): Application => members.at(-1)!;

  return {
    async strike({ what, process }) {
      const which = process % members.length;
      const struck = members[which]!;
      struck.signal(what);
      return async () => {
        if (what === 'SIGSTOP') return struck.signal('SIGCONT');
        await stage.until(() => struck.ended !== undefined, `process ${which} to end on ${what}`, 60_000);
        members[which] = await start(configs[which]!);
      };
    },
    async end() {
      for (const name of names) {
        const { pending } = await last().end(name);
        assert.equal(pending, 0);
      }
      for (const member of members) await stage.health(member, true);
    },
    async letters() {
      const found = await Promise.all(
        [{ topic: TOPIC }, { topic: TOPIC, group: OTHER_GROUP }, { queue: QUEUE }].map((source) =>
          last().letters(source),
        ),
      );
      return found.flat();
    },
  };
}
