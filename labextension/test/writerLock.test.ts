import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { WriterLock } from '../src/writerLock';

type Hold = () => Promise<void> | undefined;

/** The browser's locks (Web Locks API), as far as they are used: one holder, others wait. */
class Locks {
  async request(
    name: string,
    { signal }: { signal: AbortSignal },
    hold: Hold
  ): Promise<void> {
    const before = this._last.get(name) ?? Promise.resolve();
    let release = (): void => undefined;
    this._last.set(
      name,
      new Promise(resolve => {
        release = resolve;
      })
    );
    try {
      await before;
      signal.throwIfAborted();
      await hold();
    } finally {
      release();
    }
  }

  private readonly _last = new Map<string, Promise<void>>();
}

async function settle(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve));
}

describe('WriterLock', () => {
  beforeEach(() => {
    vi.stubGlobal('navigator', { locks: new Locks() });
  });

  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it('is of one window, and of the next one when that is closed', async () => {
    const told: string[] = [];
    const first = new WriterLock('a.ipynb', () => told.push('first'));
    const second = new WriterLock('a.ipynb', () => told.push('second'));
    await settle();
    expect([first.isMine, second.isMine, told]).toEqual([
      true,
      false,
      ['first']
    ]);
    first.dispose();
    await settle();
    expect([first.isMine, second.isMine]).toEqual([false, true]);
    expect(told).toEqual(['first', 'second']);
  });

  it('is held for each document by itself', async () => {
    const one = new WriterLock('a.ipynb', () => undefined);
    const other = new WriterLock('b.ipynb', () => undefined);
    await settle();
    expect([one.isMine, other.isMine]).toEqual([true, true]);
  });

  it('passes by who has given up waiting', async () => {
    const [first, second, third] = [1, 2, 3].map(
      () => new WriterLock('a.ipynb', () => undefined)
    );
    await settle();
    second?.dispose();
    first?.dispose();
    await settle();
    expect([second?.isMine, third?.isMine]).toEqual([false, true]);
  });

  it('is of each window where the browser has no locks', () => {
    vi.stubGlobal('navigator', {});
    const lock = new WriterLock('a.ipynb', () => undefined);
    expect(lock.isMine).toBe(true);
  });
});
