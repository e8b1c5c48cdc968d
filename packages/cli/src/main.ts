#!/usr/bin/env node
import { pipeline } from 'node:stream/promises';
import { onSignals } from './interruption.js';
import { run } from './run.js';

const code = await run(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  write: (pieces, signal) => pipeline(pieces, process.stdout, { end: false, signal }),
  error: (text) => void process.stderr.write(text),
  watched: process.stderr.isTTY === true,
  input: () => process.stdin,
  interruption: onSignals,
  directory: process.cwd(),
});
// An application that was never started may hold sockets and timers all the same: it is not waited for.
process.stdout.write('', () => process.exit(code));
