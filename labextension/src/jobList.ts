import { hasEnded, type IJobState } from './protocol';

/** A job as it is shown. */
export interface IJob extends IJobState {
  /** Its place among the waiting, from 1; null if it isn't waiting for a worker. */
  readonly position: number | null;
  /** When its state came, in milliseconds of this page's clock. */
  readonly heardAt: number;
}

/** What news have brought. */
export interface INews {
  /** Jobs that were not there before. */
  readonly added: readonly IJob[];
  /** Jobs that have ended since the last news. */
  readonly ended: readonly IJob[];
}

/** The jobs of one kernel, brought up to date by its messages. */
export class JobList {
  /**
   * @param now - The clock, in milliseconds.
   */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /** All jobs, oldest first. */
  get jobs(): readonly IJob[] {
    return this._sorted;
  }

  get(id: string): IJob | undefined {
    return this._jobs.get(id);
  }

  /** Take all jobs: what isn't among them is gone. */
  replace(states: readonly IJobState[], queue: readonly string[]): INews {
    const before = this._jobs;
    this._jobs = new Map();
    return this._take(before, states, queue);
  }

  /** Take what has changed. */
  update(states: readonly IJobState[], queue: readonly string[]): INews {
    return this._take(new Map(this._jobs), states, queue);
  }

  /**
   * Forget all.
   *
   * @param isEmpty - Whether there are no jobs, so that any is a new one. Else nothing is known.
   */
  clear(isEmpty: boolean): void {
    this._jobs = new Map();
    this._sorted = [];
    this._isKnown = isEmpty;
  }

  private _take(
    before: ReadonlyMap<string, IJob>,
    states: readonly IJobState[],
    queue: readonly string[]
  ): INews {
    const isKnown = this._isKnown;
    this._isKnown = true;
    this._put(states);
    this._number(queue);
    const added = states.filter(state => isKnown && !before.has(state.id));
    const went = states.filter(state => {
      const old = before.get(state.id);
      return old ? !hasEnded(old.status) : isKnown;
    });
    return {
      added: this._shown(added),
      ended: this._shown(went.filter(state => hasEnded(state.status)))
    };
  }

  private _put(states: readonly IJobState[]): void {
    const heardAt = this.now();
    for (const state of states) {
      this._jobs.set(state.id, { ...state, position: null, heardAt });
    }
  }

  private _number(queue: readonly string[]): void {
    const positions = new Map(queue.map((id, at) => [id, at + 1]));
    for (const [id, job] of this._jobs) {
      const position =
        job.status === 'QUEUED' ? (positions.get(id) ?? null) : null;
      if (position !== job.position) {
        this._jobs.set(id, { ...job, position });
      }
    }
    this._sorted = [...this._jobs.values()].sort((a, b) =>
      a.submissionTime < b.submissionTime ? -1 : 1
    );
  }

  private _shown(states: readonly IJobState[]): IJob[] {
    return states.flatMap(state => this._jobs.get(state.id) ?? []);
  }

  private _jobs = new Map<string, IJob>();
  private _sorted: readonly IJob[] = [];
  private _isKnown = false;
}
