import type { INotebookModel } from '@jupyterlab/notebook';
import { describe, expect, it } from 'vitest';

import { CARD_MIME_TYPE } from '../src/protocol';
import { findViews, writeLost, writeView } from '../src/views';
import { notebook, RUNNING, view } from './notebooks';

/** What the only output of a notebook holds. */
function dataOf(model: INotebookModel): unknown {
  const [shown] = findViews(model);
  return shown && { ...shown.cell.outputs.get(shown.index).data };
}

describe('findViews', () => {
  it('finds those of all cells, in their order', () => {
    const model = notebook(
      [
        { key: 'a', ended: true },
        { key: 'b', ended: false }
      ],
      [],
      [{ key: 'c', ended: false }]
    );
    expect(findViews(model).map(({ key, ended }) => [key, ended])).toEqual([
      ['a', true],
      ['b', false],
      ['c', false]
    ]);
  });

  it('knows cards of an older version by their id, which had ended', () => {
    const [shown] = findViews(notebook([{ id: 'old' }]));
    expect([shown?.key, shown?.ended]).toEqual(['old', true]);
  });

  it('takes what others put there for no view', () => {
    expect(findViews(notebook([{ key: 7 }, {}]))).toEqual([]);
    expect(findViews(null)).toEqual([]);
  });
});

describe('writeView', () => {
  it('writes the state where it is shown, and leaves the rest', () => {
    const model = notebook([
      { key: 'a', ended: false, jobs: ['a'], lost: 'x' }
    ]);
    findViews(model).forEach(shown => {
      writeView(shown, view());
    });
    expect(dataOf(model)).toEqual({
      [CARD_MIME_TYPE]: { key: 'a', ended: true, jobs: ['a'] },
      'text/html': 'the end',
      'text/plain': 'completed'
    });
  });

  it('changes nothing where that is there already', () => {
    const model = notebook([{ key: 'a', ended: false, lost: '' }]);
    let changes = 0;
    model.contentChanged.connect(() => (changes += 1));
    const same = view({ html: RUNNING, text: 'running', ended: false });
    expect(findViews(model).map(shown => writeView(shown, same))).toEqual([
      false
    ]);
    expect(changes).toBe(0);
  });
});

describe('writeLost', () => {
  it('keeps what was shown, but for its state', () => {
    const model = notebook([{ key: 'a', ended: false, lost: 'gone $& $1' }]);
    findViews(model).forEach(shown => {
      writeLost(shown, undefined);
    });
    expect(dataOf(model)).toMatchObject({
      'text/html': 'a gone $& $1 <p>words</p>'
    });
    expect(findViews(model)[0]?.ended).toBe(true);
  });

  it('takes the last state that was heard of', () => {
    const model = notebook([{ key: 'a', ended: false, lost: 'gone' }]);
    const last = view({
      html: '<!--state-->running<!--/state--> more',
      text: 'more',
      ended: false,
      lost: 'ended'
    });
    findViews(model).forEach(shown => {
      writeLost(shown, last);
    });
    expect(dataOf(model)).toMatchObject({
      'text/html': 'ended more',
      'text/plain': 'more'
    });
  });
});
