import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { RunningJobs } from '../runningSection';
import { IJobs } from '../tokens';

export const runningPlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:running',
  description: 'Lists background jobs in the Running sidebar.',
  autoStart: true,
  requires: [IJobs, IRunningSessionManagers],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    managers: IRunningSessionManagers,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('caikit_nb');
    managers.add(new RunningJobs(jobs, app.commands, trans));
  }
};
