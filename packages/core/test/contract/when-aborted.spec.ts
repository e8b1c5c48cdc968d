import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { whenAborted } from '../../src/contract/index.js';

describe('who waits for a signal to abort', () => {
  it('is told once, with all others that have not left, by one listener', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const told: string[] = [];
    whenAborted(signal, () => told.push('one'));
    const leave = whenAborted(signal, () => told.push('gone'));
    whenAborted(signal, () => told.push('other'));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    leave();
    controller.abort();
    expect(told).toEqual(['one', 'other']);
  });

  it('leaves nothing with the signal, and may come again', () => {
    const controller = new AbortController();
    // Such a one Node keeps in memory for as long as it has a listener.
    const signal = AbortSignal.any([controller.signal]);
    const told: string[] = [];
    const [one, other] = ['one', 'other'].map((name) => whenAborted(signal, () => told.push(name)));
    one!();
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    other!();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    whenAborted(signal, () => told.push('again'));
    // Who has left once takes nothing from those that came since.
    other!();
    controller.abort();
    expect(told).toEqual(['again']);
  });
});
