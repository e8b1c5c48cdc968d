/** What a byte does to the checksum that it comes into, and what it does when 1, 2 … 7 more have come behind it. */
const TABLES = [0, 1, 2, 3, 4, 5, 6, 7].map(() => new Int32Array(256));
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];
for (let byte = 0; byte < 256; byte += 1) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  T0[byte] = crc;
}
for (let byte = 0; byte < 256; byte += 1)
  for (let at = 1; at < 8; at += 1) {
    const before = TABLES[at - 1]![byte]!;
    TABLES[at]![byte] = (before >>> 8) ^ T0[before & 0xff]!;
  }

/** The checksum over a batch, with Castagnoli's polynomial; `node:zlib` has only the other one. Eight bytes at a time. */
export function crc32c(bytes: Buffer): number {
  let crc = -1;
  let at = 0;
  for (const whole = bytes.length - 7; at < whole; at += 8) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      T7[low & 0xff]! ^
      T6[(low >>> 8) & 0xff]! ^
      T5[(low >>> 16) & 0xff]! ^
      T4[low >>> 24]! ^
      T3[bytes[at + 4]!]! ^
      T2[bytes[at + 5]!]! ^
      T1[bytes[at + 6]!]! ^
      T0[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at += 1) crc = T0[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
