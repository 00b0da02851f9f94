import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';

import { Jobs } from '../jobs';
import { ServerRoute } from '../serverRoute';
import { IJobs } from '../tokens';

export const jobsPlugin: JupyterFrontEndPlugin<IJobs> = {
  id: 'caikit-nb:jobs',
  description: 'Knows the background jobs of all notebooks.',
  autoStart: true,
  requires: [INotebookTracker],
  provides: IJobs,
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker): IJobs => {
    const { serverSettings, sessions, kernels } = app.serviceManager;
    return new Jobs(
      tracker,
      sessions,
      kernels,
      new ServerRoute(serverSettings)
    );
  }
};
