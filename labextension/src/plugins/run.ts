import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, showErrorMessage } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStateDB } from '@jupyterlab/statedb';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import { CommandIds } from '../commandIds';
import { runAsJobIcon } from '../icons';
import { LastOptions } from '../lastOptions';
import { parseLine } from '../magicLine';
import { askOptions } from '../optionsForm';
import { chooseCells, runAsJob } from '../runAsJob';

interface IContext {
  readonly tracker: INotebookTracker;
  readonly last: LastOptions;
  readonly trans: TranslationBundle;
}

export const runPlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:run',
  description: 'Runs cells as background jobs.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IStateDB, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    state: IStateDB | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('caikit_nb');
    const context = { tracker, last: new LastOptions(state), trans };
    app.commands.addCommand(CommandIds.runAsJob, runCommand(context));
    app.commands.addCommand(CommandIds.runAsJobWith, runWithCommand(context));
    for (const command of [CommandIds.runAsJob, CommandIds.runAsJobWith]) {
      palette?.addItem({ command, category: trans.__('Background Jobs') });
    }
    tracker.activeCellChanged.connect(() => {
      app.commands.notifyCommandChanged(CommandIds.runAsJob);
      app.commands.notifyCommandChanged(CommandIds.runAsJobWith);
    });
  }
};

function runCommand(context: IContext): CommandRegistry.ICommandOptions {
  const { tracker, trans } = context;
  return {
    label: trans.__('Run as Job'),
    caption: trans.__('Run this cell in the background, as the last time'),
    icon: runAsJobIcon,
    isEnabled: () => isCode(tracker),
    isVisible: () => isCode(tracker),
    execute: () => run(context, false)
  };
}

function runWithCommand(context: IContext): CommandRegistry.ICommandOptions {
  const { tracker, trans } = context;
  return {
    label: trans.__('Run as Job with Options…'),
    caption: trans.__('Run this cell in the background, and say how'),
    icon: runAsJobIcon,
    isEnabled: () => isCode(tracker),
    execute: () => run(context, true)
  };
}

async function run(context: IContext, isAsking: boolean): Promise<void> {
  const { tracker, last, trans } = context;
  const panel = tracker.currentWidget;
  const chosen = panel && chooseCells(panel);
  if (!panel || !chosen) {
    return;
  }
  if (chosen.isMixed) {
    await showErrorMessage(
      trans.__('Not run'),
      trans.__('A cell with a cell magic of its own can only be a job alone.')
    );
    return;
  }
  const { id } = chosen.cell.model;
  const before =
    chosen.line === null ? await last.of(id) : parseLine(chosen.line);
  const options = isAsking ? await askOptions(before, trans) : before;
  if (options) {
    await last.remember(id, options);
    await runAsJob(panel, chosen, options, trans);
  }
}

function isCode(tracker: INotebookTracker): boolean {
  return tracker.activeCell?.model.type === 'code';
}
