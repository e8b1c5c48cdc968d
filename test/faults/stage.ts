import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { SubscriptionSource } from '@nest-messaging/core';
import { launch, type Application, type ApplicationConfig } from './application.js';
import type { Site } from './ground.js';
import { balance, createLedger, type Ledger } from './ledger.js';
import { until } from './until.js';

/** Where one row happens: a namespace of its own, processes, and the ledger that judges. */
export interface Stage {
  readonly site: Site;
  readonly namespace: string;
  readonly ledger: Ledger;
  /** Starts a process; it may still be starting. */
  readonly launch: (config?: Partial<ApplicationConfig>) => Application;
  /** The same; resolves once it is ready. */
  readonly start: (config?: Partial<ApplicationConfig>) => Promise<Application>;
  readonly until: typeof until;
  /** Waits until health says what is expected. */
  readonly health: (application: Application, ready: boolean, within?: number) => Promise<void>;
  /**
   * Nothing that resolved is lost; see {@link balance}.
   * @param gone what the broker has deleted, and has told of
   */
  readonly balance: (
    application: Application,
    source?: SubscriptionSource,
    gone?: ReadonlySet<string>,
  ) => Promise<void>;
  /** Waits for so many more handled messages. */
  readonly goesOn: (more?: number, within?: number) => Promise<void>;
}

/** The topic that a row's handler takes from unless the row says otherwise. */
export const WORK = 'work';

/** What must go on again within so many milliseconds of a fault's end. */
const RESUMES_WITHIN = 30_000;

function createStage(site: Site): Stage & { readonly end: () => Promise<void> } {
  const namespace = `f${randomBytes(4).toString('hex')}`;
  const service = 'shop';
  const ledger = createLedger(service);
  const processes: Application[] = [];

  const start = (config: Partial<ApplicationConfig> = {}): Application => {
    const application = launch(
      { service, namespace, broker: site.broker, handlers: [{ topic: WORK }], ...config },
      ledger,
    );
    processes.push(application);
    return application;
  };

  return {
    site,
    namespace,
    ledger,
    until,
    launch: start,
    async start(config) {
      const application = start(config);
      await until(
        () => application.ended !== undefined || application.told.some(({ told }) => told === 'ready'),
        'an application to start',
        60_000,
      );
      const refused = application.told.find((one) => one.told === 'refused');
      assert.equal(application.ended, undefined, `the application ended: ${refused?.text ?? ''}`);
      return application;
    },
    health: (application, ready, within = RESUMES_WITHIN) =>
      until(
        async () => (await application.ready()) === ready,
        `health to be ${ready ? 'ready' : 'not ready'}`,
        within,
      ),
    balance: (application, source = { topic: WORK }, gone) =>
      balance(ledger, () => application.letters(source), { gone }),
    goesOn(more = 20, within = RESUMES_WITHIN) {
      const before = ledger.handled().size;
      return until(
        () => ledger.handled().size >= before + more,
        `${more} more messages to be handled`,
        within,
      );
    },
    async end() {
      await Promise.all(processes.filter(({ ended }) => !ended).map((each) => each.stop('SIGKILL')));
    },
  };
}

/** Lets something happen on a stage of its own, and leaves neither processes nor a broken network behind. */
export async function onStage(site: Site, happen: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = createStage(site);
  try {
    await happen(stage);
  } finally {
    await stage.end();
    await site.network.mend();
  }
}
