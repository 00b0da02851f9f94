import type { INotebookModel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { NotebookJobs, ViewMessage } from '../src/notebookJobs';
import type { IView, KernelMessage } from '../src/protocol';
import { Recorder } from '../src/recorder';
import type { ServerRoute } from '../src/serverRoute';
import { findViews } from '../src/views';
import { content, notebook, view } from './notebooks';

const OPEN = { key: 'a', ended: false, lost: 'ended with the kernel' };

/** A notebook's jobs as far as they are recorded. */
class Source {
  constructor(model: INotebookModel) {
    this.context = {
      model,
      path: 'a.ipynb',
      isReady: true,
      ready: Promise.resolve(),
      sessionContext: { isReady: true, hasNoKernel: false },
      saveState: new Signal(this),
      pathChanged: new Signal(this)
    };
  }

  readonly context;
  readonly path = 'a.ipynb';
  readonly jobs = [];
  readonly changed = new Signal<this, void>(this);
  readonly views = new Signal<this, ViewMessage>(this);
  state: NotebookJobs['state'] = 'live';

  become(state: NotebookJobs['state']): void {
    this.state = state;
    this.changed.emit();
  }

  askViews(keys: string[]): boolean {
    this.asked.push(keys);
    for (const key of keys) {
      const known = this.known.get(key);
      this.views.emit(
        known ? { type: 'view', view: known } : { type: 'unknown', keys: [key] }
      );
    }
    return true;
  }

  readonly known = new Map<string, IView>();
  readonly asked: string[][] = [];
}

describe('Recorder', () => {
  let source: Source;
  let answer: KernelMessage | null;
  let recorder: Recorder;

  async function record(...cells: object[][]): Promise<void> {
    source = new Source(notebook(...cells));
    recorder = new Recorder(
      source as unknown as NotebookJobs,
      { view: async () => Promise.resolve(answer) } as unknown as ServerRoute,
      () => undefined
    );
    await settle();
  }

  /** Until all that is due within a second was done. */
  async function settle(): Promise<void> {
    await vi.advanceTimersByTimeAsync(1_000);
  }

  /** Put other cells in the place of what the notebook has. */
  async function load(...cells: object[][]): Promise<void> {
    source.context.model.fromJSON(content(...cells));
    await settle();
  }

  function shown(): unknown {
    const [first] = findViews(source.context.model);
    return first?.cell.outputs.get(first.index).data['text/html'];
  }

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('navigator', {});
    answer = { type: 'unknown', keys: [] };
  });

  afterEach(() => {
    recorder.dispose();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('asks the kernel of what comes into the notebook later', async () => {
    await record();
    source.known.set('a', view());
    await load([OPEN]);
    expect(shown()).toBe('the end');
  });

  it('asks once of what goes on', async () => {
    await record();
    source.known.set('a', view({ ended: false }));
    await load([OPEN]);
    await load([OPEN], []);
    expect(source.asked).toEqual([['a']]);
  });

  it('asks anew of what had ended and comes back as it was', async () => {
    await record([OPEN]);
    source.known.set('a', view());
    await load([]);
    await load([OPEN]);
    expect(shown()).toBe('the end');
    await load([OPEN]);
    expect(shown()).toBe('the end');
  });

  it('says what was cut while it ran, and pasted when its kernel had gone', async () => {
    await record([OPEN]);
    await load([]);
    source.become('absent');
    await load([OPEN]);
    expect(shown()).toContain('ended with the kernel');
  });

  it.each([{ type: 'lives', key: 'a' } as const, null])(
    'waits for the end of what the server does not call gone',
    async waits => {
      await record();
      source.become('absent');
      answer = waits;
      await load([OPEN]);
      expect(shown()).toContain('running');
      answer = { type: 'view', view: view() };
      await vi.advanceTimersByTimeAsync(11_000);
      expect(shown()).toBe('the end');
    }
  );
});
