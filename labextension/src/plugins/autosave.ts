import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';

import { Autosave } from '../autosave';
import { IJobSettings } from '../settings';
import { IJobs } from '../tokens';

export const autosavePlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:autosave',
  description: 'Saves a notebook when it has submitted a job.',
  autoStart: true,
  requires: [INotebookTracker, IJobs, IJobSettings],
  activate: (
    _: JupyterFrontEnd,
    tracker: INotebookTracker,
    jobs: IJobs,
    settings: IJobSettings
  ) => {
    new Autosave(tracker, jobs, settings);
  }
};
