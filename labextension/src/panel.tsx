import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  type LabIcon,
  stopIcon,
  textEditorIcon
} from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import { CommandIds } from './commandIds';
import { interruptIcon } from './icons';
import type { IJob } from './jobList';
import { MAGIC } from './magicLine';
import { NotebookJobs } from './notebookJobs';
import { hasEnded } from './protocol';
import type { IJobs, IJobSource } from './tokens';
import { elapsedWords, fraction, mainBar, SIGNS, stateWords } from './words';

interface IShared {
  readonly commands: CommandRegistry;
  readonly trans: TranslationBundle;
}

/** The sidebar's panel: the jobs of all notebooks. */
export class JobsPanel extends ReactWidget {
  constructor(
    private readonly jobs: IJobs,
    private readonly shared: IShared
  ) {
    super();
    this.addClass('jp-caikit-Panel');
  }

  protected override render(): React.JSX.Element {
    const { jobs, shared } = this;
    return (
      <UseSignal signal={jobs.changed}>
        {() => <Notebooks jobs={jobs} {...shared} />}
      </UseSignal>
    );
  }
}

function Notebooks(props: IShared & { jobs: IJobs }): React.JSX.Element {
  const { jobs, commands, trans } = props;
  const isRunning = jobs.count('RUNNING') > 0;
  useTick(isRunning);
  const shown = jobs.sources.filter(
    source =>
      source.jobs.length ||
      (source instanceof NotebookJobs && isWorthTelling(source))
  );
  if (!shown.length) {
    return (
      <p className="jp-caikit-empty">
        {trans.__(
          'No jobs yet. Put %1 on a cell, or run one as a job by the button in its toolbar.',
          MAGIC
        )}
      </p>
    );
  }
  return (
    <>
      {shown.map(notebook => (
        <Notebook
          key={notebook.panel?.id ?? notebook.path}
          notebook={notebook}
          commands={commands}
          trans={trans}
        />
      ))}
    </>
  );
}

/** A notebook without jobs is shown if something can be done about that. */
function isWorthTelling({ state, panel }: NotebookJobs): boolean {
  const { sessionContext } = panel;
  const name = sessionContext.session?.kernel?.name ?? '';
  const spec = sessionContext.specsManager.specs?.kernelspecs[name];
  const isPython = spec === undefined || spec.language === 'python';
  return isPython && (state === 'absent' || state === 'other-version');
}

function Notebook(
  props: IShared & { notebook: IJobSource }
): React.JSX.Element {
  const { notebook, commands, trans } = props;
  // What goes on first, then what has ended, each with the newest on top.
  const newest = [...notebook.jobs].reverse();
  const active = newest.filter(job => !hasEnded(job.status));
  const ended = newest.filter(job => hasEnded(job.status));
  return (
    <section className="jp-caikit-notebook" aria-label={notebook.path}>
      <h3 title={notebook.path}>{PathExt.basename(notebook.path)}</h3>
      {notebook instanceof NotebookJobs ? (
        <KernelNote notebook={notebook} commands={commands} trans={trans} />
      ) : (
        <p className="jp-caikit-faint">
          {trans.__('Notebook closed: a click on a job opens it.')}
        </p>
      )}
      <ul>
        {[...active, ...ended].map(job => (
          <Job
            key={job.id}
            job={job}
            canAct={notebook.canAct}
            commands={commands}
            trans={trans}
          />
        ))}
      </ul>
    </section>
  );
}

function KernelNote(
  props: IShared & { notebook: NotebookJobs }
): React.JSX.Element | null {
  const { notebook, commands, trans } = props;
  switch (notebook.state) {
    case 'absent':
      return (
        <p className="jp-caikit-faint">
          {trans.__('caikit_nb is not loaded.')}{' '}
          <button
            className="jp-caikit-link"
            onClick={() =>
              void commands.execute(CommandIds.load, {
                panel: notebook.panel.id
              })
            }
          >
            {trans.__('Load')}
          </button>
        </p>
      );
    case 'silent':
      return (
        <p className="jp-caikit-faint">
          {trans.__('The kernel is busy: this is what its jobs last wrote.')}
        </p>
      );
    case 'other-version':
      return (
        <p className="jp-caikit-faint">
          {trans.__(
            'The caikit_nb of this kernel is of another version than that of JupyterLab: update the older one.'
          )}
        </p>
      );
    default:
      return null;
  }
}

function Job(
  props: IShared & { job: IJob; canAct: boolean }
): React.JSX.Element {
  const { job, canAct, commands, trans } = props;
  const time = elapsedWords(job, performance.now(), trans);
  const act = (command: string) =>
    void commands.execute(command, { id: job.id });
  return (
    <li className="jp-caikit-job" data-status={job.status}>
      <div className="jp-caikit-job-line">
        <span className="jp-caikit-sign" aria-hidden="true">
          {SIGNS[job.status]}
        </span>
        <button
          className="jp-caikit-name"
          title={trans.__('Go to the cell of %1', job.name)}
          onClick={() => act(CommandIds.goToCell)}
        >
          {job.name}
        </button>
        <Actions job={job} canAct={canAct} act={act} trans={trans} />
      </div>
      <div className="jp-caikit-job-line jp-caikit-faint">
        <span className="jp-caikit-state">{stateWords(job, trans)}</span>
        {time && <span className="jp-caikit-time">{time}</span>}
      </div>
      <Bar job={job} trans={trans} />
      {job.reason && (
        <div className="jp-caikit-reason" title={job.reason}>
          {job.reason}
        </div>
      )}
    </li>
  );
}

function Actions(props: {
  job: IJob;
  canAct: boolean;
  act: (command: string) => void;
  trans: TranslationBundle;
}): React.JSX.Element {
  const { job, canAct, act, trans } = props;
  const isRunning = job.status === 'RUNNING';
  return (
    <span className="jp-caikit-actions">
      <Action
        icon={textEditorIcon}
        label={trans.__('Show the log of %1', job.name)}
        onClick={() => act(CommandIds.showLog)}
      />
      {canAct && isRunning && (
        <Action
          icon={interruptIcon}
          label={trans.__('Interrupt %1', job.name)}
          onClick={() => act(CommandIds.interrupt)}
        />
      )}
      {canAct && !hasEnded(job.status) && (
        <Action
          icon={stopIcon}
          label={trans.__('Cancel %1', job.name)}
          onClick={() => act(CommandIds.cancel)}
        />
      )}
    </span>
  );
}

function Action(props: {
  icon: LabIcon;
  label: string;
  onClick: () => void;
}): React.JSX.Element {
  const { icon, label, onClick } = props;
  return (
    <button
      className="jp-caikit-action"
      title={label}
      aria-label={label}
      onClick={onClick}
    >
      <icon.react tag="span" width="16px" height="16px" />
    </button>
  );
}

function Bar(props: {
  job: IJob;
  trans: TranslationBundle;
}): React.JSX.Element | null {
  const { job, trans } = props;
  const bar = mainBar(job);
  if (!bar || job.status !== 'RUNNING') {
    return null;
  }
  const done = fraction(bar);
  const percent = done === null ? null : Math.round(100 * done);
  const numbers = [bar.n, bar.total]
    .filter(n => n !== null)
    .map(n => n.toLocaleString())
    .join('/');
  return (
    <div className="jp-caikit-job-line jp-caikit-faint">
      <div
        className="jp-caikit-bar"
        role="progressbar"
        aria-label={bar.desc || trans.__('progress')}
        aria-valuemin={0}
        aria-valuemax={100}
        {...(percent === null ? {} : { 'aria-valuenow': percent })}
        data-unknown={percent === null}
        title={`${bar.desc} ${numbers}`.trim()}
      >
        <div style={{ width: `${percent ?? 100}%` }} />
      </div>
      <span className="jp-caikit-time">
        {percent === null ? numbers : trans.__('%1 %', percent)}
      </span>
    </div>
  );
}

/** Draw anew each second, while clocks run. */
function useTick(isOn: boolean): void {
  const [, tick] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    if (!isOn) {
      return undefined;
    }
    const timer = window.setInterval(tick, 1000);
    return () => window.clearInterval(timer);
  }, [isOn]);
}
