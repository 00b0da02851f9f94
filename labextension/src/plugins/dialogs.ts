import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  Dialog,
  type ISessionContext,
  ISessionContextDialogs,
  showDialog
} from '@jupyterlab/apputils';
import { IMainMenu } from '@jupyterlab/mainmenu';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';

import { CommandIds } from '../commandIds';
import { hasEnded } from '../protocol';
import { IJobs } from '../tokens';

/** JupyterLab's own commands, which do the same without the question, have 500. */
const RANK = 100;

export const dialogsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:dialogs',
  description:
    'Says how many jobs end with a kernel that is restarted or shut down.',
  autoStart: true,
  requires: [IJobs, ISessionContextDialogs, INotebookTracker],
  optional: [IMainMenu, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    dialogs: ISessionContext.IDialogs,
    tracker: INotebookTracker,
    menu: IMainMenu | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('caikit_nb');
    askAtRestart(jobs, dialogs, trans);
    if (menu) {
      askAtShutDown(app, jobs, tracker, menu, trans);
    }
  }
};

/** Take the place of JupyterLab's own question where jobs would end. */
function askAtRestart(
  jobs: IJobs,
  dialogs: ISessionContext.IDialogs,
  trans: TranslationBundle
): void {
  const restart = dialogs.restart.bind(dialogs);
  dialogs.restart = async (context, options) => {
    const ending = countEnding(jobs, context);
    if (!ending) {
      return restart(context, options);
    }
    const isSure = await confirm(
      {
        title: trans.__('Restart Kernel?'),
        button: trans.__('Restart'),
        label: trans.__('Confirm Kernel Restart')
      },
      context,
      ending,
      trans
    );
    if (isSure) {
      await options?.onBeforeRestart();
      await context.restartKernel();
    }
    return isSure;
  };
}

/** Be what the menus mean for a notebook whose jobs would end. */
function askAtShutDown(
  { commands }: JupyterFrontEnd,
  jobs: IJobs,
  tracker: INotebookTracker,
  { fileMenu, kernelMenu }: IMainMenu,
  trans: TranslationBundle
): void {
  const wouldEnd = (widget: Widget | null): widget is NotebookPanel =>
    widget === tracker.currentWidget &&
    !!tracker.currentWidget &&
    countEnding(jobs, tracker.currentWidget.sessionContext) > 0;
  const add = (
    id: string,
    label: string,
    act: (panel: NotebookPanel) => Promise<void>
  ): void => {
    commands.addCommand(id, {
      label,
      isEnabled: () => wouldEnd(tracker.currentWidget),
      isVisible: () => false,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: async () => {
        const panel = tracker.currentWidget;
        if (!panel) {
          return;
        }
        const { sessionContext } = panel;
        const ending = countEnding(jobs, sessionContext);
        const words = {
          title: trans.__('Shut Down Kernel?'),
          button: trans.__('Shut Down'),
          label: trans.__('Confirm Kernel Shut Down')
        };
        if (await confirm(words, sessionContext, ending, trans)) {
          await act(panel);
        }
      }
    });
  };
  add(CommandIds.shutDown, trans.__('Shut Down Kernel with its Jobs'), panel =>
    panel.sessionContext.shutdown()
  );
  add(
    CommandIds.shutDownAndClose,
    trans.__('Close and Shut Down Notebook with its Jobs'),
    async panel => {
      await panel.sessionContext.shutdown();
      panel.dispose();
    }
  );
  kernelMenu.kernelUsers.shutdownKernel.add({
    id: CommandIds.shutDown,
    isEnabled: wouldEnd,
    rank: RANK
  });
  fileMenu.closeAndCleaners.add({
    id: CommandIds.shutDownAndClose,
    isEnabled: wouldEnd,
    rank: RANK
  });
}

function countEnding(jobs: IJobs, context: ISessionContext): number {
  return jobs.notebooks
    .filter(({ panel }) => panel.sessionContext === context)
    .flatMap(notebook => notebook.jobs)
    .filter(job => !hasEnded(job.status)).length;
}

async function confirm(
  words: { title: string; button: string; label: string },
  context: ISessionContext,
  ending: number,
  trans: TranslationBundle
): Promise<boolean> {
  const result = await showDialog({
    title: words.title,
    body: trans._n(
      'All variables of %2 will be lost, and %1 job that has not ended will end with its kernel.',
      'All variables of %2 will be lost, and %1 jobs that have not ended will end with its kernel.',
      ending,
      context.name
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: words.button, ariaLabel: words.label })
    ]
  });
  return result.button.accept;
}
