import type { Kernel, Session } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { type IJob, JobList } from './jobList';
import type { ILogPart } from './protocol';
import { hasEnded } from './protocol';
import type { ServerRoute } from './serverRoute';
import type { IJobSource, INotebookNews } from './tokens';

const POLL_MS = 2_000;
/** While none of their jobs goes on. */
const SLOWEST_POLL_MS = 30_000;
/**
 * How long a kernel isn't asked again in which no job goes on, and that does nothing: a cell that
 * goes on may submit more, but no page can run another one.
 */
const STILL_MS = 120_000;

/** A kernel in which no job went on. */
interface IStill {
  /** When it was asked. */
  readonly since: number;
  /** When it had done something last. */
  readonly activity: string;
}

/** The jobs of a kernel whose notebook was closed: the server knows them from what is on disk. */
export class ClosedNotebook implements IJobSource {
  constructor(
    readonly kernelId: string,
    private readonly server: ServerRoute
  ) {}

  path = '';
  readonly panel = null;
  /** Only an open notebook hears a kernel's answers. */
  readonly canAct = false;
  readonly list = new JobList();

  get jobs(): readonly IJob[] {
    return this.list.jobs;
  }

  cancel(): void {
    // It can't act.
  }

  interrupt(): void {
    // It can't act.
  }

  async readLog(id: string, offset: number | null): Promise<ILogPart | null> {
    const answer = await this.server.log(this.kernelId, id, offset);
    return answer?.type === 'log' ? answer.part : null;
  }
}

/** All notebooks that are closed, and whose kernels have jobs. */
export class ClosedNotebooks implements IDisposable {
  /**
   * @param sessions - Of the server.
   * @param kernels - Of the server, which says what they do.
   * @param isOpen - Whether a session is that of an open notebook.
   * @param server - Knows the jobs of kernels.
   */
  constructor(
    private readonly sessions: Session.IManager,
    private readonly kernels: Kernel.IManager,
    private readonly isOpen: (session: Session.IModel) => boolean,
    private readonly server: ServerRoute
  ) {
    this._poll = new Poll({
      auto: false,
      factory: () => this._ask(),
      frequency: { interval: POLL_MS, backoff: 2, max: SLOWEST_POLL_MS },
      name: '@caikit-nb:closed-notebooks',
      standby: 'never'
    });
    sessions.runningChanged.connect(this.refresh, this);
    kernels.runningChanged.connect(this.refresh, this);
    void sessions.ready.then(() => this.refresh());
  }

  get notebooks(): readonly ClosedNotebook[] {
    return [...this._notebooks.values()];
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get news(): ISignal<this, INotebookNews> {
    return this._news;
  }

  /** Look again, as a notebook was opened or closed, or a kernel has done something. */
  refresh(): void {
    if (!this.isDisposed) {
      void this._poll.refresh();
    }
  }

  dispose(): void {
    this.sessions.runningChanged.disconnect(this.refresh, this);
    this.kernels.runningChanged.disconnect(this.refresh, this);
    this._poll.dispose();
    Signal.clearData(this);
  }

  private async _ask(): Promise<void> {
    const all = [...this.sessions.running()].filter(
      session => session.type === 'notebook'
    );
    const closed = all.filter(session => !this.isOpen(session));
    for (const { kernel } of all.filter(session => this.isOpen(session))) {
      this._still.delete(kernel?.id ?? '');
    }
    for (const session of closed) {
      if (!this._isStill(session.kernel?.id ?? '')) {
        await this._askOne(session);
      }
    }
    this._forgetOthers(closed);
    const goOn = this.notebooks.some(({ jobs }) =>
      jobs.some(job => !hasEnded(job.status))
    );
    if (!goOn) {
      // The poll asks less and less often.
      throw new Error('no jobs of closed notebooks');
    }
  }

  private _isStill(kernelId: string): boolean {
    const still = this._still.get(kernelId);
    const { state, activity } = this._doings(kernelId);
    return (
      !!still &&
      state === 'idle' &&
      activity === still.activity &&
      performance.now() - still.since < STILL_MS
    );
  }

  /** What a kernel does, as far as the server knows. */
  private _doings(kernelId: string): { state: string; activity: string } {
    const model = [...this.kernels.running()].find(({ id }) => id === kernelId);
    return {
      state: model?.execution_state ?? '',
      activity: model?.last_activity ?? ''
    };
  }

  private async _askOne(session: Session.IModel): Promise<void> {
    const kernelId = session.kernel?.id;
    // What it does while the server answers may be another job.
    const { activity } = this._doings(kernelId ?? '');
    const answer = kernelId ? await this.server.jobs(kernelId) : null;
    const goesOn =
      answer?.type === 'jobs' && answer.jobs.some(job => !hasEnded(job.status));
    if (kernelId && !goesOn) {
      this._still.set(kernelId, { since: performance.now(), activity });
    } else if (kernelId) {
      this._still.delete(kernelId);
    }
    if (
      !kernelId ||
      answer?.type !== 'jobs' ||
      !answer.jobs.length ||
      this.isDisposed ||
      this.isOpen(session) // meanwhile
    ) {
      return;
    }
    const notebook =
      this._notebooks.get(kernelId) ??
      new ClosedNotebook(kernelId, this.server);
    this._notebooks.set(kernelId, notebook);
    notebook.path = session.path;
    const news = notebook.list.replace(answer.jobs, answer.queue);
    this._changed.emit();
    if (news.added.length + news.ended.length) {
      this._news.emit({ notebook, ...news });
    }
  }

  private _forgetOthers(closed: readonly Session.IModel[]): void {
    const ids = new Set(
      closed.filter(session => !this.isOpen(session)).map(s => s.kernel?.id)
    );
    const gone = [...this._notebooks.keys()].filter(id => !ids.has(id));
    gone.forEach(id => this._notebooks.delete(id));
    if (gone.length) {
      this._changed.emit();
    }
  }

  private readonly _still = new Map<string, IStill>();
  private readonly _notebooks = new Map<string, ClosedNotebook>();
  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _news = new Signal<this, INotebookNews>(this);
}
