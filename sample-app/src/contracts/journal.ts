import { defineEvent } from '@nest-messaging/core';
import { z } from 'zod';

const noteSchema = z.object({
  at: z.iso.datetime(),
  service: z.string(),
  topic: z.string(),
  order: z.string(),
  attempt: z.int().optional(),
  outcome: z.enum(['done', 'failed', 'dead letter']),
  text: z.string(),
  /** Of the message that was set aside, if one was. */
  deadLetter: z.string().optional(),
});

export type Note = z.infer<typeof noteSchema>;

/** What a service has just done, so that the page can show it whichever process did it. */
export const Noted = defineEvent('journal.noted', { schema: noteSchema });
