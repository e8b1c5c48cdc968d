import type { Row } from '../row.js';
import { brokerRows } from './broker.js';
import { handlerRows } from './handlers.js';
import { pressureRows } from './pressure.js';
import { processRows } from './processes.js';
import { resourceRows } from './resources.js';

export const rows: readonly Row[] = [
  ...brokerRows,
  ...handlerRows,
  ...pressureRows,
  ...processRows,
  ...resourceRows,
].sort((a, b) => a.number - b.number);
