import { brokenBatches } from './batches.js';
import type { Broken } from './breaking.js';
import { brokenDeadLetters } from './dead-letters.js';
import { brokenDistribution } from './distribution.js';
import { brokenEngines } from './engine.js';
import { brokenFidelity } from './fidelity.js';
import { brokenFlow } from './flow.js';
import { brokenOperation } from './operating.js';
import { brokenPlanning } from './planning.js';
import { brokenPublishing } from './publishing.js';
import { brokenSettlement } from './settlement.js';
import { brokenSurroundings } from './surroundings.js';

export type { Broken } from './breaking.js';

/** Every way of breaking a transport, or the engine above it, that the suite must see. */
export const allBroken: readonly Broken[] = [
  ...brokenPublishing,
  ...brokenDistribution,
  ...brokenSettlement,
  ...brokenDeadLetters,
  ...brokenFlow,
  ...brokenFidelity,
  ...brokenSurroundings,
  ...brokenEngines,
  ...brokenBatches,
  ...brokenOperation,
  ...brokenPlanning,
];
