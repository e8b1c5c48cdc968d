import { Controller, Get, Header, Sse, type MessageEvent } from '@nestjs/common';
import { OnEvent } from '@nest-messaging/core';
import { readFileSync } from 'node:fs';
import { map, ReplaySubject, type Observable } from 'rxjs';
import { Noted, type Note } from '../contracts/journal.js';

const html = readFileSync(new URL('../../public/index.html', import.meta.url), 'utf8');

@Controller()
export class PageController {
  private readonly notes = new ReplaySubject<Note>(200);

  /** Broadcast: each process that serves the page gets every note, from when it starts. */
  @OnEvent(Noted, { broadcast: true })
  receive(note: Note): void {
    this.notes.next(note);
  }

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  page(): string {
    return html;
  }

  @Sse('journal')
  journal(): Observable<MessageEvent> {
    return this.notes.pipe(map((note) => ({ data: note })));
  }
}
