import { broad } from './broad.js';
import { consume } from './consume.js';
import { endToEnd, paced } from './end-to-end.js';
import { latency } from './latency.js';
import { held, rest } from './memory.js';
import { prepare } from './prepare.js';
import { publish } from './publish.js';

export const measurements = { prepare, publish, latency, consume, endToEnd, paced, rest, held, broad };

export type Measurement = keyof typeof measurements;
