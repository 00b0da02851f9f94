import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIds } from '../commandIds';
import { StatusItem } from '../statusItem';
import { IJobs } from '../tokens';

export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:status',
  description: 'Counts running and queued jobs in the status bar.',
  autoStart: true,
  requires: [IJobs, IStatusBar],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    statusBar: IStatusBar,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('caikit_nb');
    const item = new StatusItem(
      jobs,
      trans,
      () => void app.commands.execute(CommandIds.showPanel)
    );
    statusBar.registerStatusItem(statusPlugin.id, {
      item,
      align: 'left',
      rank: 10
    });
  }
};
