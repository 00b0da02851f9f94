import type { IRunningSessions } from '@jupyterlab/running';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { type ISignal, Signal } from '@lumino/signaling';

import { CommandIds } from './commandIds';
import { jobsIcon } from './icons';
import { hasEnded } from './protocol';
import type { IFound, IJobs } from './tokens';
import { elapsedWords, stateWords } from './words';

/** The jobs that wait or run, as a section of the Running sidebar. */
export class RunningJobs implements IRunningSessions.IManager {
  constructor(
    private readonly jobs: IJobs,
    private readonly commands: CommandRegistry,
    private readonly trans: TranslationBundle
  ) {
    this.name = trans.__('Background Jobs');
    this.shutdownLabel = trans.__('Cancel');
    this.shutdownAllLabel = trans.__('Cancel All');
    this.shutdownAllConfirmationText = trans.__(
      'Cancel all background jobs of the open notebooks, and end everything they started?'
    );
    jobs.changed.connect(this.refreshRunning, this);
  }

  readonly name: string;
  readonly shutdownLabel: string;
  readonly shutdownAllLabel: string;
  readonly shutdownAllConfirmationText: string;

  get runningChanged(): ISignal<this, void> {
    return this._runningChanged;
  }

  running(): IRunningSessions.IRunningItem[] {
    return this._active().map(found => this._item(found));
  }

  refreshRunning(): void {
    // The section draws all of itself: only when something in it differs.
    const shown = this._active().map(
      ({ job }) => job.id + job.name + stateWords(job, this.trans)
    );
    if (shown.join() !== this._shown) {
      this._shown = shown.join();
      this._runningChanged.emit();
    }
  }

  shutdownAll(): void {
    this._active().forEach(({ notebook, job }) => notebook.cancel(job.id));
  }

  private _active(): IFound[] {
    return this.jobs.sources.flatMap(notebook =>
      notebook.jobs
        .filter(job => !hasEnded(job.status))
        .map(job => ({ notebook, job }))
    );
  }

  private _item({ notebook, job }: IFound): IRunningSessions.IRunningItem {
    const words = stateWords(job, this.trans);
    const title = (): string => {
      const time = elapsedWords(job, performance.now(), this.trans);
      return [`${job.name}: ${words}`, time, notebook.path]
        .filter(part => part)
        .join('\n');
    };
    return {
      icon: () => jobsIcon,
      label: () => job.name,
      labelTitle: title,
      detail: () => words,
      open: () =>
        void this.commands.execute(CommandIds.goToCell, { id: job.id }),
      ...(notebook.panel && { shutdown: () => notebook.cancel(job.id) })
    };
  }

  private _shown = '';
  private readonly _runningChanged = new Signal<this, void>(this);
}
