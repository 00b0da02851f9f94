import type { NotebookPanel } from '@jupyterlab/notebook';
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

import type { IJob, INews } from './jobList';
import type { NotebookJobs } from './notebookJobs';

/** News, and whose they are. */
export interface INotebookNews extends INews {
  readonly notebook: NotebookJobs;
}

/** A job, and whose it is. */
export interface IFound {
  readonly notebook: NotebookJobs;
  readonly job: IJob;
}

/** The jobs of all open notebooks. */
export interface IJobs {
  readonly notebooks: readonly NotebookJobs[];
  /** Something to show has changed. */
  readonly changed: ISignal<IJobs, void>;
  /** Jobs have come or ended. */
  readonly news: ISignal<IJobs, INotebookNews>;
  /** The jobs of one notebook. */
  of(panel: NotebookPanel): NotebookJobs | undefined;
  find(id: string): IFound | null;
  /** How many are in a state. */
  count(status: IJob['status']): number;
}

export const IJobs = new Token<IJobs>(
  'caikit-nb:IJobs',
  'The background jobs of all open notebooks.'
);
