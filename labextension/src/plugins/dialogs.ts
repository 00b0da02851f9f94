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
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';

import { hasEnded } from '../protocol';
import { IJobs } from '../tokens';

export const dialogsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:dialogs',
  description: 'Says how many jobs end with a kernel that is restarted.',
  autoStart: true,
  requires: [IJobs, ISessionContextDialogs],
  optional: [ITranslator],
  activate: (
    _: JupyterFrontEnd,
    jobs: IJobs,
    dialogs: ISessionContext.IDialogs,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('caikit_nb');
    askAtRestart(jobs, dialogs, trans);
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
    const isSure = await confirm(context, ending, trans);
    if (isSure) {
      await options?.onBeforeRestart();
      await context.restartKernel();
    }
    return isSure;
  };
}

function countEnding(jobs: IJobs, context: ISessionContext): number {
  return jobs.notebooks
    .filter(({ panel }) => panel.sessionContext === context)
    .flatMap(notebook => notebook.jobs)
    .filter(job => !hasEnded(job.status)).length;
}

async function confirm(
  context: ISessionContext,
  ending: number,
  trans: TranslationBundle
): Promise<boolean> {
  const result = await showDialog({
    title: trans.__('Restart Kernel?'),
    body: trans._n(
      'All variables of %2 will be lost, and %1 job that has not ended will end with its kernel.',
      'All variables of %2 will be lost, and %1 jobs that have not ended will end with its kernel.',
      ending,
      context.name
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({
        label: trans.__('Restart'),
        ariaLabel: trans.__('Confirm Kernel Restart')
      })
    ]
  });
  return result.button.accept;
}
