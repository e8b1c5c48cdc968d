import type { Row } from '../src/run.js';

const OURS = ['ours', 'nest-messaging'];

/** What was measured of a contestant in one round: how much it published. */
export const row = (name: string, round: number, publish: number, more: Partial<Row> = {}): Row => ({
  name,
  safety: OURS.includes(name) ? 'ours' : 'equal',
  says: 'as it comes',
  round,
  size: 200,
  figures: { publish },
  void: {},
  repeated: 0,
  ...more,
});
