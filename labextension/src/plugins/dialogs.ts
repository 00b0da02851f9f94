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
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';

import { CommandIds } from '../commandIds';
import { countEnding, sessionOf } from '../ending';
import { IJobs } from '../tokens';

/** JupyterLab's own commands, which do the same without the question, have 500. */
const RANK = 100;

export const dialogsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:dialogs',
  description:
    'Says how many jobs end with a kernel that is restarted, changed or shut down.',
  autoStart: true,
  requires: [IJobs, ISessionContextDialogs],
  optional: [IMainMenu, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    dialogs: ISessionContext.IDialogs,
    menu: IMainMenu | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('caikit_nb');
    askAtRestart(jobs, dialogs, trans);
    askAtChange(jobs, dialogs, trans);
    if (menu) {
      askAtShutDown(app, jobs, menu, trans);
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
  const words = {
    title: trans.__('Restart Kernel?'),
    button: trans.__('Restart'),
    label: trans.__('Confirm Kernel Restart')
  };
  dialogs.restart = async (context, options) => {
    const ending = countEnding(jobs, context);
    if (!ending) {
      return restart(context, options);
    }
    const isSure = await confirm(words, context, ending, trans);
    if (isSure) {
      await options?.onBeforeRestart();
      await context.restartKernel();
    }
    return isSure;
  };
}

/** Another kernel may be chosen once it is known that jobs end with the one before. */
function askAtChange(
  jobs: IJobs,
  dialogs: ISessionContext.IDialogs,
  trans: TranslationBundle
): void {
  const select = dialogs.selectKernel.bind(dialogs);
  const words = {
    title: trans.__('Change Kernel?'),
    button: trans.__('Change…'),
    label: trans.__('Confirm Kernel Change')
  };
  dialogs.selectKernel = async context => {
    const ending = countEnding(jobs, context);
    if (!ending || (await confirm(words, context, ending, trans))) {
      await select(context);
    }
  };
}

/** Be what the menus mean for a notebook or a console with whose kernel jobs would end. */
function askAtShutDown(
  { commands, shell }: JupyterFrontEnd,
  jobs: IJobs,
  { fileMenu, kernelMenu }: IMainMenu,
  trans: TranslationBundle
): void {
  const wouldEnd = (widget: Widget | null): boolean => {
    const context = sessionOf(widget);
    return !!context && countEnding(jobs, context) > 0;
  };
  const add = (id: string, label: string, closes: boolean): void => {
    commands.addCommand(id, {
      label,
      isEnabled: () => wouldEnd(shell.currentWidget),
      isVisible: () => false,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => shutDown(shell.currentWidget, closes, jobs, trans)
    });
  };
  const { shutDown: id, shutDownAndClose } = CommandIds;
  add(id, trans.__('Shut Down Kernel with its Jobs'), false);
  add(shutDownAndClose, trans.__('Close and Shut Down with its Jobs'), true);
  const command = { isEnabled: wouldEnd, rank: RANK };
  kernelMenu.kernelUsers.shutdownKernel.add({ ...command, id });
  fileMenu.closeAndCleaners.add({ ...command, id: shutDownAndClose });
}

/** Shut down the kernel of a notebook or a console, and close that, if the user is sure. */
async function shutDown(
  widget: Widget | null,
  closes: boolean,
  jobs: IJobs,
  trans: TranslationBundle
): Promise<void> {
  const context = sessionOf(widget);
  if (!context) {
    return;
  }
  const words = {
    title: trans.__('Shut Down Kernel?'),
    button: trans.__('Shut Down'),
    label: trans.__('Confirm Kernel Shut Down')
  };
  if (await confirm(words, context, countEnding(jobs, context), trans)) {
    await context.shutdown();
    if (closes) {
      widget?.dispose();
    }
  }
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
