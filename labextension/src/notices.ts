import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import { CommandIds } from './commandIds';
import type { IJob } from './jobList';
import type { IJobSettings } from './settings';
import type { INotebookNews } from './tokens';
import { durationWords } from './words';

const AUTO_CLOSE_MS = 8_000;

/** Tells of jobs that took long and have ended. */
export class Notices {
  constructor(
    private readonly settings: IJobSettings,
    private readonly commands: CommandRegistry,
    private readonly trans: TranslationBundle
  ) {}

  tell({ ended }: INotebookNews): void {
    for (const job of ended) {
      if (isWorthNotice(job, this.settings)) {
        this._notify(job);
        this._notifyDesktop(job);
      }
    }
  }

  private _notify(job: IJob): void {
    const actions = [
      this._action(job, this.trans.__('Go to cell'), CommandIds.goToCell),
      this._action(job, this.trans.__('Show log'), CommandIds.showLog)
    ];
    if (job.status === 'ERRORED') {
      Notification.error(this._text(job), { actions, autoClose: false });
    } else {
      Notification.success(this._text(job), {
        actions,
        autoClose: AUTO_CLOSE_MS
      });
    }
  }

  private _notifyDesktop(job: IJob): void {
    if (!('Notification' in window)) {
      return; // a page that isn't served securely has none
    }
    const { Notification: Desktop } = window;
    if (
      !this.settings.desktopNotifications ||
      Desktop.permission !== 'granted' ||
      document.hasFocus()
    ) {
      return;
    }
    const shown = new Desktop(this._text(job), { tag: job.id });
    shown.onclick = () => {
      window.focus();
      void this.commands.execute(CommandIds.goToCell, { id: job.id });
    };
  }

  private _text(job: IJob): string {
    const time = durationWords(job.elapsedS, this.trans);
    return job.status === 'ERRORED'
      ? this.trans.__('%1 failed after %2: %3', job.name, time, job.reason)
      : this.trans.__('%1 completed after %2', job.name, time);
  }

  private _action(
    job: IJob,
    label: string,
    command: string
  ): Notification.IAction {
    return {
      label,
      callback: () => void this.commands.execute(command, { id: job.id })
    };
  }
}

/** Whether a job's end is told: who cancels one knows it. */
export function isWorthNotice(job: IJob, settings: IJobSettings): boolean {
  return (
    settings.notify &&
    job.elapsedS >= settings.notifyAfterS &&
    (job.status === 'COMPLETED' || job.status === 'ERRORED')
  );
}
