import type { Row } from '../row.js';
import { alarmRows } from './alarm.js';
import { brokerRows } from './broker.js';
import { deadLetterRows } from './dead-letters.js';
import { handlerRows } from './handlers.js';
import { kafkaRows } from './kafka.js';
import { memberRows } from './members.js';
import { pressureRows } from './pressure.js';
import { processRows } from './processes.js';
import { refusalRows } from './refusals.js';
import { resourceRows } from './resources.js';

export const rows: readonly Row[] = [
  ...alarmRows,
  ...brokerRows,
  ...deadLetterRows,
  ...handlerRows,
  ...kafkaRows,
  ...memberRows,
  ...pressureRows,
  ...processRows,
  ...refusalRows,
  ...resourceRows,
].sort((a, b) => a.number - b.number);
