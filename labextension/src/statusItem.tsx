import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { jobsIcon } from './icons';
import type { IJobs } from './tokens';

/** How many jobs run and wait; nothing if none do. */
export class StatusItem extends ReactWidget {
  constructor(
    private readonly jobs: IJobs,
    private readonly trans: TranslationBundle,
    private readonly onClick: () => void
  ) {
    super();
    this.addClass('jp-caikit-Status');
  }

  protected override render(): React.JSX.Element {
    return (
      <UseSignal signal={this.jobs.changed}>{() => this._counts()}</UseSignal>
    );
  }

  private _counts(): React.JSX.Element | null {
    const running = this.jobs.count('RUNNING');
    const queued = this.jobs.count('QUEUED');
    if (running + queued === 0) {
      return null;
    }
    const parts = [
      this.trans._n('%1 job running', '%1 jobs running', running, running),
      queued ? this.trans.__('%1 queued', queued) : ''
    ];
    return (
      <button
        className="jp-caikit-status"
        title={this.trans.__('Show background jobs')}
        onClick={this.onClick}
      >
        <jobsIcon.react tag="span" width="16px" height="16px" />
        {parts.filter(part => part).join(', ')}
      </button>
    );
  }
}
