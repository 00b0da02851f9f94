import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import { stopIcon, textEditorIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { findCardCell, goToCell } from '../cells';
import { CommandIds } from '../commandIds';
import { interruptIcon } from '../icons';
import { loadExtension } from '../loading';
import { LogTabs } from '../logTabs';
import { hasEnded } from '../protocol';
import { IJobs, type IFound } from '../tokens';

export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:commands',
  description: 'What can be done with a background job.',
  autoStart: true,
  requires: [IJobs],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    translator: ITranslator | null
  ) => {
    const known = translator ?? nullTranslator;
    const trans = known.load('caikit_nb');
    const { commands } = app;
    commands.addCommand(CommandIds.cancel, cancelCommand(jobs, trans));
    commands.addCommand(CommandIds.interrupt, interruptCommand(jobs, trans));
    commands.addCommand(CommandIds.goToCell, goToCommand(app, jobs, trans));
    commands.addCommand(CommandIds.load, loadCommand(jobs, trans));
    const tabs = new LogTabs(app, jobs, known);
    commands.addCommand(CommandIds.showLog, showLogCommand(jobs, tabs, trans));
  }
};

function cancelCommand(
  jobs: IJobs,
  trans: TranslationBundle
): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Cancel Job'),
    caption: trans.__('End this job and everything it started'),
    icon: stopIcon,
    isEnabled: args => {
      const found = named(jobs, args);
      return !!found?.notebook.canAct && !hasEnded(found.job.status);
    },
    execute: args => {
      const found = named(jobs, args);
      found?.notebook.cancel(found.job.id);
    }
  };
}

function interruptCommand(
  jobs: IJobs,
  trans: TranslationBundle
): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Interrupt Job'),
    caption: trans.__('Raise KeyboardInterrupt in this job'),
    icon: interruptIcon,
    isEnabled: args => {
      const found = named(jobs, args);
      return !!found?.notebook.canAct && found.job.status === 'RUNNING';
    },
    execute: args => {
      const found = named(jobs, args);
      found?.notebook.interrupt(found.job.id);
    }
  };
}

function goToCommand(
  app: JupyterFrontEnd,
  jobs: IJobs,
  trans: TranslationBundle
): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Go to Cell of Job'),
    caption: trans.__('Show the cell that has the card of this job'),
    isEnabled: args => named(jobs, args) !== null,
    execute: async args => {
      const found = named(jobs, args);
      if (!found) {
        return;
      }
      const panel =
        found.notebook.panel ?? (await opened(app, jobs, found.notebook.path));
      if (!panel) {
        return;
      }
      app.shell.activateById(panel.id);
      const index = findCardCell(panel, found.job.id);
      if (index >= 0) {
        await goToCell(panel, index);
      }
    }
  };
}

function showLogCommand(
  jobs: IJobs,
  tabs: LogTabs,
  trans: TranslationBundle
): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Show Log of Job'),
    caption: trans.__('Follow what this job prints'),
    icon: textEditorIcon,
    isEnabled: args => named(jobs, args) !== null,
    execute: args => {
      const found = named(jobs, args);
      if (found) {
        tabs.open(found);
      }
    }
  };
}

function loadCommand(
  jobs: IJobs,
  trans: TranslationBundle
): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Load caikit_nb into the Kernel'),
    caption: trans.__(
      'Runs %load_ext caikit_nb in the kernel of this notebook'
    ),
    execute: async args => {
      const notebook = jobs.notebooks.find(
        ({ panel }) => panel.id === args['panel']
      );
      const kernel = notebook?.panel.sessionContext.session?.kernel;
      if (kernel) {
        await loadExtension(kernel, trans);
      }
    }
  };
}

/** Open a notebook; null if that can't be done. */
async function opened(
  app: JupyterFrontEnd,
  jobs: IJobs,
  path: string
): Promise<NotebookPanel | null> {
  await app.commands.execute('docmanager:open', { path });
  const panel = jobs.notebooks.find(other => other.path === path)?.panel;
  await panel?.revealed;
  return panel ?? null;
}

function named(jobs: IJobs, args: ReadonlyPartialJSONObject): IFound | null {
  const id = args['id'];
  return typeof id === 'string' ? jobs.find(id) : null;
}
