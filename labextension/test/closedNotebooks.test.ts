import type { Kernel, Session } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { ClosedNotebooks } from '../src/closedNotebooks';
import type { IJobState, KernelMessage } from '../src/protocol';
import type { ServerRoute } from '../src/serverRoute';
import { state } from './states';

/** What the server has that runs, as its managers tell it. */
class Manager<T> {
  readonly ready = Promise.resolve();
  readonly runningChanged = new Signal<this, void>(this);

  constructor(public models: T[]) {}

  running(): Iterable<T> {
    return this.models;
  }
}

describe('ClosedNotebooks', () => {
  const session = { type: 'notebook', path: 'a.ipynb', kernel: { id: 'k' } };
  let kernels: Manager<object>;
  let jobs: IJobState[];
  let asked: number;
  let closed: ClosedNotebooks;

  async function jobsOf(): Promise<KernelMessage> {
    asked += 1;
    return Promise.resolve({ type: 'jobs', jobs, queue: [] });
  }

  /** What the server says that the kernel does. */
  function kernel(execution_state: string, last_activity: string): void {
    kernels.models = [{ id: 'k', execution_state, last_activity }];
    kernels.runningChanged.emit();
  }

  async function pass(seconds: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(seconds * 1_000);
  }

  function statuses(): string[] {
    return closed.notebooks.flatMap(({ jobs }) => jobs.map(job => job.status));
  }

  beforeEach(async () => {
    vi.useFakeTimers();
    asked = 0;
    jobs = [state({ id: 'a', status: 'COMPLETED' })];
    kernels = new Manager<object>([]);
    closed = new ClosedNotebooks(
      new Manager([session]) as unknown as Session.IManager,
      kernels as unknown as Kernel.IManager,
      () => false,
      { jobs: jobsOf } as unknown as ServerRoute
    );
    kernel('idle', '10:00');
    await pass(1);
  });

  afterEach(() => {
    closed.dispose();
    vi.useRealTimers();
  });

  it('leaves a kernel alone for a while that does nothing', async () => {
    const before = asked;
    await pass(100);
    expect(asked).toBe(before);
    await pass(100);
    expect(asked).toBeGreaterThan(before);
  });

  it('knows of what a cell submits that goes on', async () => {
    kernel('busy', '10:00');
    await pass(60);
    jobs = [...jobs, state({ id: 'b' })];
    await pass(31);
    expect(statuses()).toEqual(['COMPLETED', 'RUNNING']);
  });

  it('knows at once of what a kernel has done that is idle again', async () => {
    jobs = [...jobs, state({ id: 'b' })];
    kernel('idle', '10:01');
    await pass(1);
    expect(statuses()).toEqual(['COMPLETED', 'RUNNING']);
  });
});
