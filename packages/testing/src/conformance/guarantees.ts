import { backpressure } from './backpressure.js';
import { batches } from './batches.js';
import { broadcasts } from './broadcast.js';
import { deadLetters } from './dead-letter.js';
import { delays } from './delay.js';
import { drain } from './drain.js';
import { fidelity } from './fidelity.js';
import { foreign } from './foreign.js';
import { groups } from './groups.js';
import type { Guarantee } from './guarantee.js';
import { handlers } from './handlers.js';
import { health } from './health.js';
import { naming } from './naming.js';
import { order } from './order.js';
import { patterns } from './patterns.js';
import { pause } from './pause.js';
import { payloads } from './payloads.js';
import { plan } from './plan.js';
import { poison } from './poison.js';
import { publishing } from './publishing.js';
import { queues } from './queues.js';
import { reconnect } from './reconnect.js';
import { redrive } from './redrive.js';
import { replay } from './replay.js';
import { retries } from './retry.js';
import { settlement } from './settlement.js';
import { shutdown } from './shutdown.js';
import { topology } from './topology.js';

/** All that every transport promises, in the order of the table of guarantees. */
export const guarantees: readonly Guarantee[] = [
  ...publishing,
  ...groups,
  ...queues,
  ...settlement,
  ...retries,
  ...handlers,
  ...batches,
  ...poison,
  ...delays,
  ...deadLetters,
  ...redrive,
  ...order,
  ...broadcasts,
  ...patterns,
  ...fidelity,
  ...payloads,
  ...foreign,
  ...backpressure,
  ...reconnect,
  ...shutdown,
  ...drain,
  ...pause,
  ...replay,
  ...health,
  ...topology,
  ...plan,
  ...naming,
];
