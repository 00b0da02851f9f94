import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';

import type { NotebookJobs, ViewMessage } from './notebookJobs';
import { hasEnded, type IView } from './protocol';
import type { ServerRoute } from './serverRoute';
import { Turns } from './turns';
import {
  besides,
  findViews,
  htmlOf,
  isDoubled,
  type IShownView,
  isRunning,
  mend,
  readAnew,
  writeLost,
  writeView
} from './views';
import { WriterLock } from './writerLock';

type Context = NotebookPanel['context'];

/** What is saved at once when it changes. */
interface IState {
  readonly ended: boolean;
  readonly jobs: number;
}

/** How often the server is asked of what runs in another kernel. */
const LATER_MS = 10_000;

/** How often the outputs are looked at while they change. */
const CHECK_MS = 100;

/**
 * After how long what goes on is saved anew, as often as JupyterLab saves what a user types: a
 * kernel may die while no window is open, and then the file has what was seen last.
 */
const FOLLOW_MS = 120_000;

/** So soon after an end the window that was to save it may have been closed before it did. */
const HANDOVER_MS = 2_000;

/**
 * Keeps what a notebook shows of cards and tables as they stand, also in the file.
 *
 * The kernel's own updates of an output go by its display id, which a page that is loaded anew has
 * forgotten. Here an output is known by the key of what it shows: whatever became of page and
 * kernel, it is asked how that stands, and what it says is written into the cell.
 */
export class Recorder implements IDisposable {
  /**
   * @param notebook - Whose.
   * @param server - Knows last states of views whose kernel is gone.
   * @param save - Has the notebook saved soon.
   */
  constructor(
    private readonly notebook: NotebookJobs,
    private readonly server: ServerRoute,
    private readonly save: (context: Context) => void
  ) {
    const { context } = notebook;
    this._turns = new Turns(context.model);
    notebook.views.connect(this._onView, this);
    notebook.changed.connect(this._look, this);
    notebook.toldAnew.connect(this._onToldAnew, this);
    context.saveState.connect(this._onSaveState, this);
    context.pathChanged.connect(this._onPath, this);
    void context.ready.then(() => this._begin());
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._disposeLocks();
    this._turns.dispose();
    window.clearTimeout(this._checking);
    this._askNoMore();
    const { context } = this.notebook;
    context.model.contentChanged.disconnect(this._onContent, this);
    this.notebook.views.disconnect(this._onView, this);
    this.notebook.changed.disconnect(this._look, this);
    this.notebook.toldAnew.disconnect(this._onToldAnew, this);
    context.saveState.disconnect(this._onSaveState, this);
    context.pathChanged.disconnect(this._onPath, this);
  }

  private _begin(): void {
    if (this._isDisposed) {
      return;
    }
    this._known = this._states();
    this._savedAt = performance.now();
    this.notebook.context.model.contentChanged.connect(this._onContent, this);
    this._look();
  }

  private _onContent(): void {
    if (!this._checking) {
      this._checking = window.setTimeout(() => {
        this._checking = 0;
        this._check();
      }, CHECK_MS);
    }
  }

  /**
   * What a cell has begun to show, and what has come to its end, whoever wrote it, is saved. What
   * has come from elsewhere may have ended long ago.
   */
  private _check(): void {
    const states = this._states();
    let isNews = false;
    for (const [key, state] of states) {
      const before = this._known.get(key);
      isNews ||=
        !before || state.ended !== before.ended || state.jobs > before.jobs;
    }
    this._known = states;
    if (isNews) {
      this.save(this.notebook.context);
    }
    if (this.notebook.context.model.collaborative) {
      this._mendCells();
    }
    this._look();
  }

  /** Mend what JupyterLab makes of what other clients write, and what two that write at once do. */
  private _mendCells(): void {
    const views = this._views();
    new Set(views.map(({ cell }) => cell)).forEach(readAnew);
    for (const shown of this._views()) {
      if (isDoubled(shown)) {
        this._turns.wait(
          `doubles of ${shown.key}`,
          () => (isRunning(shown) ? null : besides(shown)),
          () => {
            mend(shown);
          }
        );
      }
    }
  }

  /** How each view stands: it has ended if it has wherever it is shown. */
  private _states(): Map<string, IState> {
    const states = new Map<string, IState>();
    for (const { key, ended, jobs } of this._views()) {
      const other = states.get(key);
      states.set(key, {
        ended: ended && other?.ended !== false,
        jobs: jobs.length
      });
    }
    return states;
  }

  /** Of the windows that show a view one saves its end. */
  private _lockOf(key: string): WriterLock {
    let lock = this._locks.get(key);
    if (!lock) {
      lock = new WriterLock(`${this.notebook.path}:${key}`, () =>
        this._onMine()
      );
      this._locks.set(key, lock);
    }
    return lock;
  }

  /** Ask for those of what goes on, and give back those of what is shown no more. */
  private _holdLocks(open: ReadonlySet<string>): void {
    open.forEach(key => this._lockOf(key));
    const shown = new Set(this._views().map(({ key }) => key));
    for (const [key, lock] of this._locks) {
      if (!shown.has(key)) {
        lock.dispose();
        this._locks.delete(key);
      }
    }
  }

  private _onMine(): void {
    if (performance.now() - this._leftAt < HANDOVER_MS) {
      this.save(this.notebook.context);
    }
    this._look();
  }

  private _onPath(): void {
    this._disposeLocks();
    this._look();
  }

  private _disposeLocks(): void {
    this._locks.forEach(lock => {
      lock.dispose();
    });
    this._locks.clear();
  }

  private _onToldAnew(): void {
    this._asked.clear();
    this._look();
  }

  /** Find out what became of views that had not ended when they were written. */
  private _look(): void {
    const { state, context } = this.notebook;
    if (state !== this._state) {
      this._state = state;
      this._asked.clear();
      this._askNoMore();
    }
    if (!context.isReady || state === 'other-version') {
      return;
    }
    const open = new Set(this._open().map(shown => shown.key));
    if (!context.model.collaborative) {
      this._holdLocks(open);
    }
    // What is cut out, and what was written as ended, may come back as it was.
    [...this._asked]
      .filter(key => !open.has(key))
      .forEach(key => this._asked.delete(key));
    if (state === 'silent') {
      this._askOfEnded(open);
      return;
    }
    const keys = [...open].filter(key => !this._asked.has(key));
    if (!keys.length || (state === 'none' && !this._hasNoKernel)) {
      return;
    }
    keys.forEach(key => this._asked.add(key));
    if (state === 'live') {
      this.notebook.askViews(keys);
    } else {
      void this._askServer(keys, true);
    }
  }

  /** A kernel that is busy says nothing, and the last state of what has ended is on disk. */
  private _askOfEnded(open: ReadonlySet<string>): void {
    const ended = this.notebook.jobs
      .filter(job => hasEnded(job.status) && open.has(job.id))
      .map(job => job.id)
      .filter(key => !this._asked.has(key));
    ended.forEach(key => this._asked.add(key));
    if (ended.length) {
      void this._askServer(ended, false);
    }
  }

  private get _hasNoKernel(): boolean {
    const { isReady, hasNoKernel } = this.notebook.context.sessionContext;
    return isReady && hasNoKernel;
  }

  private _onView(_: NotebookJobs, message: ViewMessage): void {
    if (message.type === 'view') {
      this._take(message.view);
    } else if (message.keys.length) {
      void this._askServer(message.keys, true);
    }
  }

  private _take(view: IView): void {
    this._latest.set(view.key, view);
    // A cell whose job had ended may have been run again on its card.
    const hasChanged =
      view.ended || this._viewsOf(view.key).some(shown => shown.ended);
    if (hasChanged) {
      // What is written later is how it stands then.
      const latest = (): IView => this._latest.get(view.key) ?? view;
      const state = (): string => (latest().ended ? latest().html : '');
      this._write(view.key, state, shown => writeView(shown, latest()));
    } else if (performance.now() - this._savedAt > FOLLOW_MS) {
      this._follow(view.key);
    }
  }

  /** Have the file say how what goes on stands now. */
  private _follow(key: string): void {
    const { context } = this.notebook;
    if (!context.model.collaborative) {
      if (this._mayWrite(key)) {
        this.save(context);
      }
      return;
    }
    this._savedAt = performance.now();
    const shown = (): string => this._open().map(htmlOf).join();
    const before = shown();
    if (before !== this._followed) {
      // Another client has done it, or a job has ended.
      this._followed = before;
      return;
    }
    this._turns.wait(
      '',
      () => (this._open().some(isRunning) ? null : shown()),
      () => {
        if (shown() === before) {
          this._writeOpen();
          this._followed = shown();
        }
      }
    );
  }

  /**
   * Look for last states on disk.
   *
   * @param keys - Of which views.
   * @param isGone - Their kernel is gone, at least from this notebook: nobody else knows them.
   */
  private async _askServer(
    keys: readonly string[],
    isGone: boolean
  ): Promise<void> {
    for (const key of new Set(keys)) {
      const answer = await this.server.view(key);
      if (this._isDisposed) {
        return;
      }
      if (answer?.type === 'view' && answer.view.ended) {
        this._take(answer.view);
      } else if (answer?.type !== 'unknown') {
        // It lives in another notebook, from which it was copied: nobody tells this one. Or the
        // server can't tell for the moment.
        this._askLater(key, isGone);
      } else if (isGone) {
        const last = this._latest.get(key);
        this._write(
          key,
          () => 'lost',
          shown => writeLost(shown, last)
        );
      }
    }
  }

  private _askNoMore(): void {
    this._later.forEach(timer => {
      window.clearTimeout(timer);
    });
    this._later.clear();
  }

  private _askLater(key: string, isGone: boolean): void {
    window.clearTimeout(this._later.get(key));
    const ask = (): void => {
      this._later.delete(key);
      if (this._viewsOf(key).some(shown => !shown.ended)) {
        void this._askServer([key], isGone);
      }
    };
    this._later.set(key, window.setTimeout(ask, LATER_MS));
  }

  /**
   * Write a view's state, and have it saved if that is news: a last state may change, too, as when
   * values came home.
   *
   * @param state - Which it is.
   * @param write - Returns whether what is shown was another one.
   */
  private _write(
    key: string,
    state: () => string,
    write: (shown: IShownView) => boolean
  ): void {
    const { context } = this.notebook;
    if (context.model.collaborative) {
      this._writeInTurn(key, state, write);
      return;
    }
    this._asked.delete(key);
    const views = this._viewsOf(key);
    // Who doesn't show it must not hold its saving.
    if (!views.length) {
      return;
    }
    const { dirty } = context.model;
    const written = views.map(write);
    if (!context.contentsModel?.writable) {
      context.model.dirty = dirty;
    } else if (!this._mayWrite(key)) {
      // It is shown here, and another window saves it.
      this._known.set(key, {
        ended: true,
        jobs: 0,
        ...this._states().get(key)
      });
      context.model.dirty = dirty;
      this._leftAt = performance.now();
    } else if (written.includes(true)) {
      this.save(context);
    }
  }

  private _writeInTurn(
    key: string,
    state: () => string,
    write: (shown: IShownView) => boolean
  ): void {
    const before = this._viewsOf(key).map(htmlOf);
    const due = (): string | null => {
      const views = this._viewsOf(key);
      // What a running cell shows is JupyterLab's.
      return views.some(isRunning)
        ? null
        : [state(), ...views.map(htmlOf), ...views.map(besides)].join();
    };
    this._turns.wait(key, due, () => {
      this._asked.delete(key);
      this._viewsOf(key)
        // An end that was written meanwhile may be a later one than what is known here.
        .filter(shown => !shown.ended || before.includes(htmlOf(shown)))
        .forEach(write);
    });
  }

  private _mayWrite(key: string): boolean {
    return this._viewsOf(key).length > 0 && this._lockOf(key).isMine;
  }

  /** What is saved is how things stand now. */
  private _onSaveState(
    context: DocumentRegistry.IContext<DocumentRegistry.IModel>,
    state: DocumentRegistry.SaveState
  ): void {
    if (state !== 'started') {
      return;
    }
    this._savedAt = performance.now();
    // A shared document is saved by the server, and each change of it stays in its history.
    if (!context.model.collaborative) {
      this._writeOpen();
    }
  }

  /** Write how what goes on stands now. */
  private _writeOpen(): void {
    for (const shown of this._open()) {
      const view = this._latest.get(shown.key);
      if (view) {
        writeView(shown, view);
      }
    }
  }

  private _views(): IShownView[] {
    return findViews(this.notebook.context.model);
  }

  private _viewsOf(key: string): IShownView[] {
    return this._views().filter(shown => shown.key === key);
  }

  private _open(): IShownView[] {
    return this._views().filter(shown => !shown.ended);
  }

  private readonly _locks = new Map<string, WriterLock>();
  private readonly _turns: Turns;
  private _isDisposed = false;
  private _state: NotebookJobs['state'] = 'silent';
  private _checking = 0;
  private _savedAt = 0;
  /** What open views showed when they were last written while they go on. */
  private _followed = '';
  /** When an end was left to another window to save. */
  private _leftAt = -Infinity;
  private _known = new Map<string, IState>();
  private readonly _asked = new Set<string>();
  private readonly _later = new Map<string, number>();
  private readonly _latest = new Map<string, IView>();
}
