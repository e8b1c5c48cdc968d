import { describe, expect, it } from '@jest/globals';
import { distinctIds } from '../src/ids.js';

describe('An id', () => {
  it('is as it is wanted where nothing else wants it, has its name where another does, and else a number', () => {
    const wanted = [
      { id: 'a', name: 'X.on' },
      { id: 'b', name: 'X.on' },
      { id: 'a', name: 'Y.on' },
      { id: 'a', name: 'X.on' },
    ];
    expect(distinctIds(wanted)).toEqual(['a--X.on', 'b', 'a--Y.on', 'a--X.on-2']);
  });
});
