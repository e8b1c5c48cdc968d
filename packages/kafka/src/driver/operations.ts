import type { Operation } from './driver.js';

/** @see https://github.com/apache/kafka/blob/4.0.0/clients/src/main/java/org/apache/kafka/common/acl/AclOperation.java */
const NUMBERS: readonly (readonly [operation: Operation, number: number])[] = [
  ['Read', 3],
  ['Write', 4],
  ['Create', 5],
  ['Delete', 6],
  ['Describe', 8],
];

/** Of a field of bits, one for each operation's number; where the broker told none, all bits but the sign are 0. */
export const operationsIn = (bits: number): readonly Operation[] =>
  NUMBERS.filter(([, number]) => (bits & (1 << number)) !== 0).map(([operation]) => operation);
