import { describe, expect, it } from 'vitest';

import { saveAlone } from '../src/saveAlone';

/** Saves as JupyterLab does: what overlaps fails. */
class Document {
  readonly ends: (() => void)[] = [];
  saved = 0;
  fails = false;
  private _isSaving = false;

  async save(): Promise<void> {
    if (this._isSaving) {
      throw new Error('File Changed');
    }
    this._isSaving = true;
    await new Promise<void>(resolve => this.ends.push(resolve));
    this._isSaving = false;
    this.saved += 1;
    if (this.fails) {
      throw new Error('no room');
    }
  }
}

/** Let what has been settled be heard. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    await Promise.resolve();
  }
}

async function endAll(document: Document): Promise<void> {
  await settle();
  while (document.ends.length > 0) {
    document.ends.shift()?.();
    await settle();
  }
}

describe('saveAlone', () => {
  it('has others wait, one after the other', async () => {
    const document = new Document();
    const ours = saveAlone(document);
    const others = [document.save(), document.save()];
    await endAll(document);
    await Promise.all([ours, ...others]);
    expect(document.saved).toBe(3);
  });

  it('leaves no trace', async () => {
    const document = new Document();
    const ours = saveAlone(document);
    await endAll(document);
    await ours;
    expect(Object.keys(document)).not.toContain('save');
    expect(document.save).toBe(Document.prototype.save);
  });

  it('gives back what another has put in its place', async () => {
    const document = new Document();
    const replaced = (): Promise<void> =>
      Document.prototype.save.call(document);
    document.save = replaced;
    const ours = saveAlone(document);
    await endAll(document);
    await ours;
    expect(document.save).toBe(replaced);
  });

  it('saves for the others also where it fails itself', async () => {
    const document = new Document();
    document.fails = true;
    const ours = saveAlone(document);
    const other = document.save();
    const told = Promise.allSettled([ours, other]);
    await endAll(document);
    expect((await told).map(({ status }) => status)).toEqual([
      'rejected',
      'rejected'
    ]);
    expect(document.saved).toBe(2);
    expect(document.save).toBe(Document.prototype.save);
  });
});
