import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { addCardFactory } from '../card';
import { IJobs } from '../tokens';

export const cardPlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:card',
  description: 'Shows saved cards of jobs whose kernel is gone.',
  autoStart: true,
  requires: [INotebookTracker, IRenderMimeRegistry, IJobs],
  optional: [ITranslator],
  activate: (
    _: JupyterFrontEnd,
    tracker: INotebookTracker,
    rendermime: IRenderMimeRegistry,
    jobs: IJobs,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('caikit_nb');
    const add = (panel: NotebookPanel) =>
      addCardFactory(panel, rendermime, jobs, trans);
    tracker.forEach(add);
    tracker.widgetAdded.connect((_, panel) => add(panel));
  }
};
