import { randomBytes } from 'node:crypto';

/** A secret that occurs nowhere else, and how it would look in whatever is written of it. */
export interface Canary {
  /** One for each place where a secret can be. */
  readonly at: (place: 'password' | 'header' | 'payload' | 'field' | 'key') => string;
  /** What was found of it, with what stands around; empty if nothing was. */
  readonly foundIn: (text: string) => readonly string[];
}

export function createCanary(): Canary {
  const song = `canary${randomBytes(8).toString('hex')}`;
  const hex = Buffer.from(song).toString('hex');
  // Base64 depends on what stands before; its ends depend on what stands around.
  const base64 = ['', ' ', '  '].map((before) =>
    Buffer.from(before + song)
      .toString('base64')
      .slice(4, 24),
  );
  // As a buffer is inspected, and as it is written as JSON.
  const spaced = hex.match(/../g)!.join(' ');
  const listed = [...Buffer.from(song)].join(',');
  const forms = [song, hex, spaced, listed, ...base64];
  return {
    at: (place) => `${song}-${place}`,
    foundIn: (text) =>
      forms.flatMap((form) => {
        const at = text.indexOf(form);
        return at < 0 ? [] : [text.slice(Math.max(0, at - 1_000), at + 100)];
      }),
  };
}
