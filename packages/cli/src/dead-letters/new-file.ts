import { open, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { UsageError } from '../exit.js';

/**
 * Writes a file that was not there before, and that nobody else may read; one that cannot be written whole is removed.
 * @throws {UsageError} if it cannot be made, or is there already
 */
export async function writeNewFile(
  file: string,
  pieces: AsyncIterable<string>,
  signal: AbortSignal,
): Promise<void> {
  const handle = await open(file, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError(
      cause.code === 'EEXIST'
        ? `--file ${file}: it is there already; give another name, since what it keeps may be nowhere else`
        : `--file ${file}: it cannot be made: ${cause.message}`,
      { cause },
    );
  });
  try {
    // On the disk, and not on its way there: whoever deletes what was written relies on it.
    await pipeline(pieces, handle.createWriteStream({ flush: true }), { signal });
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}
