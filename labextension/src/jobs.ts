import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, Session } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IJob, INews } from './jobList';
import { ClosedNotebooks } from './closedNotebooks';
import { NotebookJobs } from './notebookJobs';
import type { ServerRoute } from './serverRoute';
import type { IFound, IJobs, IJobSource, INotebookNews } from './tokens';

/** The jobs of all notebooks. */
export class Jobs implements IJobs, IDisposable {
  constructor(
    private readonly tracker: INotebookTracker,
    sessions: Session.IManager,
    kernels: Kernel.IManager,
    private readonly server: ServerRoute
  ) {
    this._closed = new ClosedNotebooks(
      sessions,
      kernels,
      session => this._isOpen(session),
      server
    );
    this._closed.changed.connect(this._tell, this);
    this._closed.news.connect((_, news) => this._news.emit(news));
    tracker.forEach(panel => this._add(panel));
    tracker.widgetAdded.connect(this._onAdded, this);
  }

  get notebooks(): readonly NotebookJobs[] {
    return this._notebooks;
  }

  get sources(): readonly IJobSource[] {
    return [...this._notebooks, ...this._closed.notebooks];
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get news(): ISignal<this, INotebookNews> {
    return this._news;
  }

  get lost(): ISignal<this, NotebookJobs> {
    return this._lost;
  }

  of(panel: NotebookPanel): NotebookJobs | undefined {
    return this._notebooks.find(notebook => notebook.context === panel.context);
  }

  find(id: string): IFound | null {
    for (const notebook of this.sources) {
      const job = notebook.jobs.find(job => job.id === id);
      if (job) {
        return { notebook, job };
      }
    }
    return null;
  }

  count(status: IJob['status']): number {
    return this.sources
      .flatMap(notebook => notebook.jobs)
      .filter(job => job.status === status).length;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._closed.dispose();
    this._notebooks.forEach(notebook => notebook.dispose());
    this._notebooks = [];
    Signal.clearData(this);
  }

  private _onAdded(_: INotebookTracker, panel: NotebookPanel): void {
    this._add(panel);
  }

  /** Two views of a document share a kernel, and so its jobs. */
  private _add(panel: NotebookPanel): void {
    if (this._notebooks.some(other => other.context === panel.context)) {
      return;
    }
    const notebook = new NotebookJobs(panel, this.server);
    this._notebooks = [...this._notebooks, notebook];
    notebook.changed.connect(this._tell, this);
    notebook.news.connect(this._onNews, this);
    notebook.lost.connect(() => this._lost.emit(notebook));
    panel.disposed.connect(() => {
      this._notebooks = this._notebooks.filter(other => other !== notebook);
      const { context } = notebook;
      const twin = this.tracker.find(
        other => other !== panel && other.context === context
      );
      if (twin) {
        this._add(twin);
      }
      this._closed.refresh();
      this._tell();
    });
    this._closed.refresh();
    this._tell();
  }

  private _onNews(notebook: NotebookJobs, news: INews): void {
    this._news.emit({ notebook, ...news });
  }

  private _tell(): void {
    this._changed.emit();
  }

  private _isOpen({ kernel, path }: Session.IModel): boolean {
    return this._notebooks.some(
      ({ panel, path: other }) =>
        other === path ||
        (!!kernel && panel.sessionContext.session?.kernel?.id === kernel.id)
    );
  }

  private readonly _closed: ClosedNotebooks;
  private _isDisposed = false;
  private _notebooks: readonly NotebookJobs[] = [];
  private readonly _changed = new Signal<this, void>(this);
  private readonly _news = new Signal<this, INotebookNews>(this);
  private readonly _lost = new Signal<this, NotebookJobs>(this);
}
