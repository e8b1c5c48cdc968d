import { consume } from './consume.js';
import { endToEnd, paced } from './end-to-end.js';
import { latency } from './latency.js';
import { held, rest } from './memory.js';
import { prepare } from './prepare.js';
import { publish } from './publish.js';

export const measurements = { prepare, publish, latency, consume, endToEnd, paced, rest, held };

export type Measurement = keyof typeof measurements;
