import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { durationWords, elapsedS, fraction, mainBar } from '../src/words';
import { state } from './states';

const trans = nullTranslator.load('caikit_nb');
const job = { ...state(), position: null, heardAt: 1000 };

describe('durationWords', () => {
  it.each([
    [0, '0 s'],
    [0.0044, '4.4 ms'],
    [0.0364, '36 ms'],
    [0.4, '0.4 s'],
    [3.96, '4 s'],
    [9.94, '9.9 s'],
    [59.4, '59 s'],
    [59.6, '1 min 00 s'],
    [65, '1 min 05 s'],
    [3_720, '1 h 02 min'],
    [86_400, '1 d'],
    [97_200, '1 d 3 h']
  ])('says %d seconds as %s', (seconds, words) => {
    expect(durationWords(seconds, trans)).toBe(words);
  });
});

describe('elapsedS', () => {
  it('goes on while a job runs, and stands once it has ended', () => {
    expect(elapsedS(job, 3000)).toBe(3.5);
    expect(elapsedS({ ...job, status: 'COMPLETED' }, 3000)).toBe(1.5);
  });
});

describe('bars', () => {
  const open = { desc: '', n: 3, total: 2, closed: false };
  const closed = { desc: '', n: 1, total: null, closed: true };

  it('has the first open bar say how far a job is', () => {
    expect(mainBar({ ...job, bars: [closed, open] })).toBe(open);
    expect(mainBar({ ...job, bars: [closed] })).toBe(closed);
    expect(mainBar(job)).toBeNull();
  });

  it('knows no fraction without a total, and none above one', () => {
    expect(fraction(closed)).toBeNull();
    expect(fraction(open)).toBe(1);
  });
});
