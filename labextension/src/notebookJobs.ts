import type { ISessionContext, SessionContext } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, Session } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { type IJob, type INews, JobList } from './jobList';
import { KernelLink, type LinkState } from './kernelLink';
import type { ILogPart, KernelMessage } from './protocol';
import type { ServerRoute } from './serverRoute';
import type { IJobSource } from './tokens';

/** What a notebook's kernel is for its jobs; `none` if there is no kernel that could have any. */
export type NotebookState = LinkState | 'none';

/** What a kernel says of views. */
export type ViewMessage = Extract<KernelMessage, { type: 'view' | 'unknown' }>;

/** A kernel that answers does so at once: only then is the server asked. */
const PATIENCE_MS = 700;
const POLL_MS = 1_000;
const SLOWEST_POLL_MS = 10_000;

/** The jobs of one open notebook, whatever becomes of its kernel. */
export class NotebookJobs implements IJobSource, IDisposable {
  constructor(
    readonly panel: NotebookPanel,
    private readonly server: ServerRoute
  ) {
    this.context = panel.context;
    const { sessionContext } = panel;
    sessionContext.kernelChanged.connect(this._onKernelChanged, this);
    panel.context.pathChanged.connect(this._tell, this);
    panel.disposed.connect(this.dispose, this);
    this._poll = new Poll({
      auto: false,
      factory: () => this._ask(),
      frequency: { interval: POLL_MS, backoff: 2, max: SLOWEST_POLL_MS },
      name: '@caikit-nb:server-jobs',
      standby: 'when-hidden'
    });
    this._link(sessionContext.session?.kernel ?? null);
  }

  readonly context: NotebookPanel['context'];

  get path(): string {
    return this.context.path;
  }

  get kernelId(): string | null {
    return this.context.sessionContext.session?.kernel?.id ?? null;
  }

  get state(): NotebookState {
    return this._kernelLink?.state ?? 'none';
  }

  /** Whether cancel and interrupt would be heard. */
  get canAct(): boolean {
    return this.state === 'live';
  }

  get jobs(): readonly IJob[] {
    return this._list.jobs;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get news(): ISignal<this, INews> {
    return this._news;
  }

  /** What the kernel says of views. */
  get views(): ISignal<this, ViewMessage> {
    return this._views;
  }

  /** The kernel tells all anew: of what it said before, something may not have been heard. */
  get toldAnew(): ISignal<this, void> {
    return this._toldAnew;
  }

  /** All widgets that the kernel has made until now are gone. */
  get lost(): ISignal<this, void> {
    return this._lost;
  }

  /** Ask the kernel how these views stand. False if it can't be asked. */
  askViews(keys: readonly string[]): boolean {
    return this._kernelLink?.askViews(keys) ?? false;
  }

  cancel(id: string): void {
    this._kernelLink?.cancel(id);
  }

  interrupt(id: string): void {
    this._kernelLink?.interrupt(id);
  }

  /** A part of a job's log, from the server, which also tells while the kernel is busy. */
  async readLog(id: string, offset: number | null): Promise<ILogPart | null> {
    const link = this._kernelLink;
    if (!link) {
      return null;
    }
    const answer = await this.server.log(link.kernel.id, id, offset);
    if (answer?.type === 'log') {
      return answer.part;
    }
    return link.state === 'live' ? link.readLog(id, offset) : null;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._poll.dispose();
    this._kernelLink?.dispose();
    this._kernelLink = null;
    window.clearTimeout(this._patience);
    Signal.clearData(this);
  }

  private _onKernelChanged(
    _: ISessionContext | SessionContext,
    { oldValue, newValue }: Session.ISessionConnection.IKernelChangedArgs
  ): void {
    // The first kernel that a notebook gets may be the one that has made what it shows.
    if (oldValue) {
      this._lost.emit();
    }
    this._link(newValue);
  }

  private _link(kernel: Kernel.IKernelConnection | null): void {
    this._kernelLink?.dispose();
    this._kernelLink = null;
    this._list.clear(false);
    if (kernel?.handleComms) {
      this._kernelLink = new KernelLink(kernel);
      this._kernelLink.stateChanged.connect(this._onLink, this);
      this._kernelLink.heard.connect(this._onHeard, this);
    }
    this._watchSilence();
    this._tell();
  }

  private _onLink(_: KernelLink, state: LinkState): void {
    if (state === 'absent') {
      this._list.clear(false);
      this._lost.emit();
    }
    this._watchSilence();
    this._tell();
  }

  private _onHeard(_: KernelLink, message: KernelMessage): void {
    this._take(message);
    if (message.type === 'jobs') {
      this._toldAnew.emit();
    }
  }

  private _take(message: KernelMessage): void {
    if (message.type === 'hello') {
      this._list.clear(true);
    }
    if (message.type === 'view' || message.type === 'unknown') {
      this._views.emit(message);
    }
    if (message.type !== 'jobs' && message.type !== 'changed') {
      return;
    }
    const { jobs, queue } = message;
    const news =
      message.type === 'jobs'
        ? this._list.replace(jobs, queue)
        : this._list.update(jobs, queue);
    this._tell();
    if (news.added.length + news.ended.length) {
      this._news.emit(news);
    }
  }

  /** While the kernel says nothing the server is asked. */
  private _watchSilence(): void {
    window.clearTimeout(this._patience);
    if (this.state !== 'silent') {
      void this._poll.stop();
    } else {
      this._patience = window.setTimeout(
        () => void this._poll.start(),
        PATIENCE_MS
      );
    }
  }

  private async _ask(): Promise<void> {
    const link = this._kernelLink;
    const answer = link && (await this.server.jobs(link.kernel.id));
    if (link !== this._kernelLink || link?.state !== 'silent') {
      return;
    }
    if (answer?.type !== 'jobs' || !answer.jobs.length) {
      // The poll asks less and less often for what is likely not there.
      throw new Error('no jobs on disk');
    }
    this._take(answer);
  }

  private _tell(): void {
    this._changed.emit();
  }

  private _kernelLink: KernelLink | null = null;
  private _isDisposed = false;
  private _patience = 0;
  private readonly _list = new JobList();
  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _news = new Signal<this, INews>(this);
  private readonly _views = new Signal<this, ViewMessage>(this);
  private readonly _toldAnew = new Signal<this, void>(this);
  private readonly _lost = new Signal<this, void>(this);
}
