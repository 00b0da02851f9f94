import type { NotebookPanel } from '@jupyterlab/notebook';
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

import type { IJob, INews } from './jobList';
import type { NotebookJobs } from './notebookJobs';
import type { ILogPart } from './protocol';

/** A notebook's jobs, or those of the kernel of one that was closed. */
export interface IJobSource {
  readonly path: string;
  /** The kernel; null if there is none. */
  readonly kernelId: string | null;
  /** The notebook; null if it was closed. */
  readonly panel: NotebookPanel | null;
  /** Oldest first. */
  readonly jobs: readonly IJob[];
  /** Whether cancel and interrupt would be heard. */
  readonly canAct: boolean;
  cancel(id: string): void;
  interrupt(id: string): void;
  /** A part of a job's log; null if it can't be had. */
  readLog(id: string, offset: number | null): Promise<ILogPart | null>;
}

/** News, and whose they are. */
export interface INotebookNews extends INews {
  readonly notebook: IJobSource;
}

/** A job, and whose it is. */
export interface IFound {
  readonly notebook: IJobSource;
  readonly job: IJob;
}

/** The jobs of all notebooks that are open, and of those that were closed. */
export interface IJobs {
  /** The open ones. */
  readonly notebooks: readonly NotebookJobs[];
  /** Both kinds. */
  readonly sources: readonly IJobSource[];
  /** Something to show has changed. */
  readonly changed: ISignal<IJobs, void>;
  /** Jobs have come or ended. */
  readonly news: ISignal<IJobs, INotebookNews>;
  /** The kernel of a notebook has ended, or is without caikit_nb. */
  readonly lost: ISignal<IJobs, NotebookJobs>;
  /** The jobs of one notebook. */
  of(panel: NotebookPanel): NotebookJobs | undefined;
  find(id: string): IFound | null;
  /** How many are in a state. */
  count(status: IJob['status']): number;
}

export const IJobs = new Token<IJobs>(
  'caikit-nb:IJobs',
  'The background jobs of all notebooks.'
);
