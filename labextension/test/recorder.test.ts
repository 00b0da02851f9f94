import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { NotebookJobs } from '../src/notebookJobs';
import type { KernelMessage } from '../src/protocol';
import { Recorder } from '../src/recorder';
import type { ServerRoute } from '../src/serverRoute';
import { findViews } from '../src/views';
import { content, notebook, Source, view } from './notebooks';

const OPEN = { key: 'a', ended: false, lost: 'ended with the kernel' };

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
