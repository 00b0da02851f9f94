import type { IStateDB } from '@jupyterlab/statedb';

import { type IRunOptions, NO_OPTIONS } from './magicLine';

const KEY = 'caikit-nb:last-options';

/** Without what belongs to one cell; the rest is a matter of habit. */
function habits(options: IRunOptions): IRunOptions {
  // Without its experiment there is no next job of it.
  const more = options.more.replace(/(^|\s+)--next(?=\s|$)/g, '').trim();
  return { ...options, name: '', out: '', experiment: '', more };
}

/** The options of the last job that was run by a button: of the same cell, else of any. */
export class LastOptions {
  constructor(private readonly state: IStateDB | null) {}

  async of(cellId: string): Promise<IRunOptions> {
    const known = this._ofCells.get(cellId);
    if (known) {
      return known;
    }
    const saved = await this.state?.fetch(KEY);
    return habits({ ...NO_OPTIONS, ...textsOf(saved) });
  }

  async remember(cellId: string, options: IRunOptions): Promise<void> {
    this._ofCells.set(cellId, options);
    await this.state?.save(KEY, { ...habits(options) });
  }

  private readonly _ofCells = new Map<string, IRunOptions>();
}

/** What can be read of options that some version has saved. */
function textsOf(saved: unknown): Partial<IRunOptions> {
  if (typeof saved !== 'object' || saved === null) {
    return {};
  }
  const known = Object.entries(saved).filter(
    ([key, value]) => key in NO_OPTIONS && typeof value === 'string'
  );
  return Object.fromEntries(known);
}
