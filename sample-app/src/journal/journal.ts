import { Injectable, Logger } from '@nestjs/common';
import { EventBus } from '@nest-messaging/core';
import { Noted, type Note } from '../contracts/journal.js';
import { printNote } from './terminal.js';

/** Tells what happens: to the terminal of this process, and to the page wherever it runs. */
@Injectable()
export class Journal {
  private readonly logger = new Logger('Journal');

  constructor(private readonly events: EventBus) {}

  write(entry: Omit<Note, 'at'>): void {
    const note = { at: new Date().toISOString(), ...entry };
    printNote(note);
    // Not awaited: nobody's order should wait, or fail, for a note.
    this.events.publish(Noted, note).catch((error: Error) => this.logger.warn(error.message));
  }
}
