import type { IStateDB } from '@jupyterlab/statedb';
import { describe, expect, it } from 'vitest';

import { LastOptions } from '../src/lastOptions';
import { NO_OPTIONS } from '../src/magicLine';

const GIVEN = {
  ...NO_OPTIONS,
  name: 'train',
  out: 'model',
  experiment: 'digits',
  startMethod: 'spawn',
  more: '--next --retries 2 --next'
};

/** What is left of a page when it is loaded anew. */
class Memory {
  fetch(id: string): Promise<unknown> {
    return Promise.resolve(this._saved.get(id));
  }

  save(id: string, value: unknown): Promise<unknown> {
    this._saved.set(id, structuredClone(value));
    return Promise.resolve();
  }

  get stateDB(): IStateDB {
    return this as unknown as IStateDB;
  }

  private readonly _saved = new Map<string, unknown>();
}

describe('LastOptions', () => {
  it('knows nothing at first', async () => {
    expect(await new LastOptions(null).of('a')).toEqual(NO_OPTIONS);
  });

  it('remembers all options of a cell', async () => {
    const last = new LastOptions(null);
    await last.remember('a', GIVEN);
    expect(await last.of('a')).toEqual(GIVEN);
  });

  it('gives other cells the habits alone', async () => {
    const memory = new Memory();
    await new LastOptions(memory.stateDB).remember('a', GIVEN);
    expect(await new LastOptions(memory.stateDB).of('b')).toEqual({
      ...NO_OPTIONS,
      startMethod: 'spawn',
      more: '--retries 2'
    });
  });

  it('takes from an older version what it understands', async () => {
    const memory = new Memory();
    await memory.save('caikit-nb:last-options', { retain: '2h', odd: 1 });
    expect(await new LastOptions(memory.stateDB).of('a')).toEqual({
      ...NO_OPTIONS,
      retain: '2h'
    });
  });
});
