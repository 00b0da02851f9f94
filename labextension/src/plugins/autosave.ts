import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';

import { Autosave } from '../autosave';
import type { NotebookJobs } from '../notebookJobs';
import { Recorder } from '../recorder';
import { ServerRoute } from '../serverRoute';
import { IJobSettings } from '../settings';
import { IJobs } from '../tokens';

export const autosavePlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:autosave',
  description:
    'Keeps the state of jobs in the notebook, and saves it when it has submitted one.',
  autoStart: true,
  requires: [INotebookTracker, IJobs, IJobSettings],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    jobs: IJobs,
    settings: IJobSettings
  ) => {
    const autosave = new Autosave(tracker, settings);
    const server = new ServerRoute(app.serviceManager.serverSettings);
    const recorders = new Map<NotebookJobs, Recorder>();
    const follow = (): void => {
      for (const notebook of jobs.notebooks) {
        if (!recorders.has(notebook)) {
          const recorder = new Recorder(notebook, server, context =>
            autosave.saveSoon(context)
          );
          recorders.set(notebook, recorder);
        }
      }
      for (const [notebook, recorder] of recorders) {
        if (!jobs.notebooks.includes(notebook)) {
          recorder.dispose();
          recorders.delete(notebook);
        }
      }
    };
    jobs.changed.connect(follow);
    follow();
  }
};
